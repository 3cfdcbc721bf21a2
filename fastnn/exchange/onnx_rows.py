"""Copies of rows as ONNX nodes: Transpose, Slice, Pad, repeats along an axis, joins.

A plan says padding, cropping, upsampling and permuting alike as a table of rows; what a table does is read off it here,
so that the file holds the operator that people know. A table that is none of them is one Gather over the flat sample.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from fastnn.exchange.onnx_graph import Layout, OnnxGraph, last
from fastnn.plan.plan import Op

Array = np.ndarray[Any, Any]


def permutation(table: Array, shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the order of axes that turns samples of ``shape`` into the table's, if there is one."""
    numbers = np.arange(math.prod(shape)).reshape(shape)
    for order in itertools.permutations(range(len(shape))):
        turned = numbers.transpose(order)
        if turned.shape == wanted and np.array_equal(turned.reshape(-1), table):
            return order
    return None


def along_axes(table: Array, shape: tuple[int, ...], wanted: tuple[int, ...]) -> list[Array] | None:
    """Return, for each axis, which place is read at each place (-1 for zeros), if the axes are independent."""
    rows = table.reshape(wanted)
    kept = np.argwhere(rows >= 0)
    if len(shape) != len(wanted) or not len(kept):
        return None
    found = []
    for axis in range(len(shape)):
        line = list(kept[0])
        line[axis] = slice(None)
        read = rows[tuple(line)]
        found.append(np.where(read < 0, -1, np.unravel_index(np.maximum(read, 0), shape)[axis]))
    grids = np.meshgrid(*found, indexing="ij")
    again = np.ravel_multi_index([np.maximum(grid, 0) for grid in grids], shape)
    zeros = np.stack(grids).min(axis=0) < 0
    if any(np.diff(np.flatnonzero(read >= 0)).max(initial=1) > 1 for read in found):  # zeros in between
        return None
    return found if np.array_equal(np.where(zeros, -1, again), rows) else None


def gather_rows(graph: OnnxGraph, op: Op) -> None:
    """Append the copy that a table of rows stands for."""
    x, z, table = op.operands["A"], op.operands["Z"], op.static["table"]
    order = permutation(table, x.shape, z.shape)  # type: ignore[union-attr]
    if order is not None:
        graph.put(z, graph.add("Transpose", graph.take(x), perm=[0, *(axis + 1 for axis in order)]))
        return
    axes = along_axes(table, x.shape, z.shape)  # type: ignore[union-attr]
    if axes is not None:
        name, layout = graph.any(x)
        graph.put(z, _axes_read(graph, name, layout, axes, x.shape), layout)  # type: ignore[union-attr]
        return
    rows = x.rows  # type: ignore[union-attr]
    flat = graph.add("Reshape", graph.take(x), graph.whole(0, rows))
    if (table < 0).any():  # a column of zeros behind the others
        flat = graph.add("Pad", flat, graph.whole(0, 0, 0, 1), graph.constant(0.0))
        table = np.where(table < 0, rows, table)
    index = graph.constant(table, "rows", np.int64)
    graph.put(z, graph.add("Reshape", graph.add("Gather", flat, index, axis=1), graph.whole(0, *z.shape)))  # type: ignore[union-attr]


def _axes_read(graph: OnnxGraph, name: str, layout: Layout, axes: list[Array], shape: tuple[int, ...]) -> str:
    """Append what is read along the axes: single places, then a slice, then zeros around it."""
    slices: list[tuple[int, int, int]] = []
    pads = [0] * (2 * len(layout))
    for axis, (read, size) in enumerate(zip(axes, shape, strict=True)):
        place = layout.index(axis + 1)
        kept = read[read >= 0]
        front = int(np.argmax(read >= 0))
        pads[place], pads[len(layout) + place] = front, len(read) - front - len(kept)
        start, stop = int(kept[0]), int(kept[-1]) + 1
        if not np.array_equal(kept, np.arange(start, stop)):
            name = graph.add("Gather", name, graph.constant(kept, "places", np.int64), axis=place)
        elif (start, stop) != (0, size):
            slices.append((start, stop, place))
    if slices:
        name = graph.add("Slice", name, *(graph.whole(*numbers) for numbers in zip(*slices, strict=True)))
    return str(graph.add("Pad", name, graph.whole(*pads), graph.constant(0.0))) if any(pads) else name


def concatenate(graph: OnnxGraph, op: Op) -> None:
    """Append a join along one axis, in the layout in which the first part is at hand."""
    z: Any = op.operands["Z"]
    parts: list[Any] = [x for name, x in op.operands.items() if name != "Z"]
    rank = len(z.shape)
    axis = next(
        axis
        for axis in range(rank)
        if math.prod(z.shape[:axis]) == op.static["outer"] and parts[0].shape[axis] != z.shape[axis]
    )
    layout = graph.layout(parts[0]) if rank > 1 else last(rank)
    names = [graph.take(x, layout) for x in parts]
    graph.put(z, graph.add("Concat", *names, axis=layout.index(axis + 1)), layout)
