"""ONNX nodes for a row's network: images (channels, height, width), recurrent cells as the standard's own nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from fastnn.bench import networks
from fastnn.bench.data import Weights

NODES = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "softmax": "Softmax"}
CELLS = {"simple_rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def channels_first(x: Any) -> Any:
    """Return a copy of samples in the standard's layout: images (channels, height, width), all else as it is."""
    return np.array(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x, order="C")


def graph_parts(network: networks.Network, weights: Weights) -> tuple[list[Any], list[Any], str]:
    """Return nodes, constants and the name of the output; the input is called x."""
    nodes: list[Any] = []
    constants: list[Any] = []
    name = "x"

    def emit(kind: str, inputs: list[str], outputs: int = 1, **settings: Any) -> str:
        names = [f"{kind}{len(nodes)}"]
        # a cell puts out all steps first, which nobody reads here, then the last state
        nodes.append(helper.make_node(kind, inputs, [""] * (outputs - 1) + names, **settings))
        return names[0]

    def constant(array: Any) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(constants)}"))
        return str(constants[-1].name)

    flattened = 1
    with_arrays = network.with_arrays(weights)
    for (layer, shape), (_, arrays) in zip(network.walk(), with_arrays, strict=True):
        if isinstance(layer, networks.Dense):
            W = arrays[0].reshape(-1, flattened, layer.units).transpose(1, 0, 2).reshape(-1, layer.units)
            name, flattened = emit("Gemm", [name, constant(W), constant(arrays[1])]), 1
        elif isinstance(layer, networks.Conv2D):
            pad = layer.size // 2 if layer.padding == "same" else 0
            kernel = constant(arrays[0].transpose(3, 2, 0, 1))
            name = emit("Conv", [name, kernel, constant(arrays[1])], pads=[pad] * 4)
        elif isinstance(layer, networks.MaxPool2D):
            name = emit("MaxPool", [name], kernel_shape=[layer.size] * 2, strides=[layer.size] * 2)
        elif isinstance(layer, networks.Recurrent):
            inputs = [emit("Transpose", [name], perm=[1, 0, 2]), *map(constant, _cell_arrays(layer.cell, arrays))]
            settings = {"linear_before_reset": 1} if layer.cell == "gru" else {}
            name = emit(CELLS[layer.cell], inputs, 2, hidden_size=layer.units, **settings)
            name = emit("Squeeze", [name, constant(np.array([0], np.int64))])
        else:
            if isinstance(layer, networks.GlobalAverage2D):
                name = emit("GlobalAveragePool", [name])
            else:
                flattened = shape[2]
            name = emit("Flatten", [name])
        activation = getattr(layer, "activation", "linear")
        if activation != "linear":
            name = emit(NODES[activation], [name])
    return nodes, constants, name


def _cell_arrays(cell: str, arrays: Any) -> list[Any]:
    """Return W, R and B as the node takes them: one direction, gates i o f c and z r h, both biases in one."""
    biases = arrays[2:] if cell == "gru" else (arrays[2], np.zeros_like(arrays[2]))

    def ordered(array: Any) -> Any:
        if cell != "lstm":
            return array
        i, f, c, o = np.split(array, 4)
        return np.concatenate([i, o, f, c])

    W, U = (ordered(a.T)[None] for a in arrays[:2])
    return [W, U, np.concatenate([ordered(b) for b in biases])[None]]
