"""Convolutions and pooling as ONNX nodes, channels first, padding spelled out at both ends of every axis."""

from __future__ import annotations

from typing import Any

from fastnn.exchange.onnx_graph import OnnxGraph, first
from fastnn.plan.convolution import Convolution
from fastnn.plan.plan import Op
from fastnn.plan.windows import Windows


def _axes(rank: int, of_sequence: int) -> tuple[int, ...]:
    """Return which axes of a grid a sample of ``rank`` axes has: a sequence lies along one of them."""
    return (0, 1) if rank == 3 else (of_sequence,)


def _reach(geometry: Convolution, axis: int) -> int:
    """Return how many cells the kernel passes over along an axis, those of the padding among them."""
    return (
        (geometry.places[axis] - 1) * geometry.strides[axis] + (geometry.size[axis] - 1) * geometry.dilation[axis] + 1
    )


def convolution(graph: OnnxGraph, op: Op) -> None:
    """Append a Conv."""
    x: Any = op.operands["A"]
    geometry: Convolution = op.static["geometry"]
    axes = _axes(len(x.shape), 1)
    before = [geometry.before[axis] for axis in axes]
    after = [max(0, _reach(geometry, axis) - geometry.cells[axis] - geometry.before[axis]) for axis in axes]
    _convolve(graph, op, "Conv", geometry, axes, before + after)


def transposed_convolution(graph: OnnxGraph, op: Op) -> None:
    """Append a ConvTranspose; cells behind the last that a tap reaches are its output padding."""
    geometry: Convolution = op.static["geometry"]
    before, after, more = [], [], []
    for axis in (0, 1):
        cut = _reach(geometry, axis) - geometry.before[axis] - geometry.cells[axis]
        before.append(geometry.before[axis])
        after.append(max(0, cut))
        more.append(max(0, -cut))
    _convolve(graph, op, "ConvTranspose", geometry, (0, 1), before + after, output_padding=more)


def _convolve(graph: OnnxGraph, op: Op, kind: str, geometry: Convolution, axes: tuple[int, ...], pads: list[int],
              **more: Any) -> None:  # fmt: skip
    x, z, W, b = (op.operands[name] for name in ("A", "Z", "W", "b"))
    weights = graph.array(W)
    weights = weights.reshape(*weights.shape[:2], *(geometry.size[axis] for axis in axes))
    inputs = [graph.take(x, first(len(axes) + 1)), graph.constant(weights, W.name)]  # type: ignore[union-attr]
    if b is not None:
        inputs.append(graph.constant(graph.array(b), b.name))  # type: ignore[union-attr]
    name = graph.add(
        kind,
        *inputs,
        kernel_shape=[geometry.size[axis] for axis in axes],
        strides=[geometry.strides[axis] for axis in axes],
        dilations=[geometry.dilation[axis] for axis in axes],
        pads=pads,
        group=geometry.groups,
        **more,
    )
    graph.put(z, name, first(len(axes) + 1))


def max_pooling(graph: OnnxGraph, op: Op) -> None:
    """Append a MaxPool, or ReduceMax over the whole sample."""
    _pool(graph, op, "MaxPool", "ReduceMax")


def average_pooling(graph: OnnxGraph, op: Op) -> None:
    """Append an AveragePool that counts no padding, or ReduceMean over the whole sample."""
    _pool(graph, op, "AveragePool", "ReduceMean", count_include_pad=0)


def _pool(graph: OnnxGraph, op: Op, kind: str, whole: str, **more: Any) -> None:
    x: Any = op.operands["A"]
    z = op.operands["Z"]
    windows: Windows = op.static["windows"]
    rank = len(x.shape)
    if windows.size == windows.cells and windows.places == (1, 1) and windows.before == (0, 0):
        name, layout = graph.any(x)
        places = sorted(layout.index(axis) for axis in range(1, rank))
        graph.put(z, graph.add(whole, name, axes=places, keepdims=1), layout)
        return
    axes = _axes(rank, 0)
    after = [
        max(0, (windows.places[axis] - 1) * windows.strides[axis] + windows.size[axis] - windows.cells[axis]
            - windows.before[axis])
        for axis in axes
    ]  # fmt: skip
    name = graph.add(
        kind,
        graph.take(x, first(rank)),
        kernel_shape=[windows.size[axis] for axis in axes],
        strides=[windows.strides[axis] for axis in axes],
        pads=[windows.before[axis] for axis in axes] + after,
        **more,
    )
    graph.put(z, name, first(rank))
