"""PyTorch's modules for a row's network, and its arrays in their layout: (units, inputs), channels before places.

``nn.LSTM`` and ``nn.RNN`` have two biases that are always added. One is held at zero here, for two trained ones would
take two steps of Adam where every other system takes one; the GRU's two are two everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from fastnn.bench import networks
from fastnn.bench.data import Weights
from fastnn.bench.workloads import Workload

ACTIVATIONS: dict[str, Any] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
CELLS: dict[str, Any] = {"simple_rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Last(nn.Module):  # type: ignore[misc, unused-ignore]
    """A recurrent layer whose output is its last step."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Any) -> Any:
        """Return the last step of the sequence that comes out."""
        return self.cell(x)[0][:, -1]


def network(workload: Workload) -> Any:
    """Return the network up to its logits, the last activation left out."""
    whole = workload.network
    modules: list[Any] = []
    for layer, shape in whole.walk():
        if isinstance(layer, networks.Dense):
            modules.append(nn.Linear(shape[0], layer.units))
        elif isinstance(layer, networks.Conv2D):
            modules.append(nn.Conv2d(shape[2], layer.filters, layer.size, padding=_padding(layer)))
        elif isinstance(layer, networks.MaxPool2D):
            modules.append(nn.MaxPool2d(layer.size))
        elif isinstance(layer, networks.GlobalAverage2D):
            modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        elif isinstance(layer, networks.Recurrent):
            modules.append(Last(CELLS[layer.cell](shape[1], layer.units, batch_first=True)))
        else:
            modules.append(nn.Flatten())
        activation = getattr(layer, "activation", "linear")
        if layer is not whole.layers[-1] and activation != "linear":
            modules.append(ACTIVATIONS[activation]())
    return nn.Sequential(*modules).to(getattr(torch, workload.dtype))


def _padding(layer: networks.Conv2D) -> int:
    return layer.size // 2 if layer.padding == "same" else 0


def channels_first(x: Any) -> Any:
    """Return a copy of samples in PyTorch's layout: images (channels, height, width), all else as it is."""
    return np.array(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x, order="C")


def _with_arrays(model: Any) -> list[tuple[Any, int]]:
    """Return the modules that have arrays, each with the channels of the images flattened before it (else 1)."""
    found, channels, flattened = [], 1, 1
    for module in model:
        if isinstance(module, nn.Conv2d):
            channels = module.out_channels
        elif isinstance(module, nn.Flatten):
            flattened = channels
        if isinstance(module, nn.Linear | nn.Conv2d | Last):
            found.append((module, flattened))
            flattened = 1
    return found


def load(model: Any, weights: Weights) -> None:
    """Copy arrays into ``model``."""
    with torch.no_grad():
        for (module, channels), arrays in zip(_with_arrays(model), weights, strict=True):
            for parameter, array in zip(_parameters(module), _theirs(module, channels, arrays)):
                parameter.copy_(torch.from_numpy(np.array(array)))


def arrays_of(model: Any) -> Weights:
    """Return the arrays of ``model``, laid out as every system's."""
    found = []
    for module, channels in _with_arrays(model):
        found.append(_ours(module, channels, [p.detach().numpy() for p in _parameters(module)]))
    return found


def _parameters(module: Any) -> list[Any]:
    """Return the trained arrays of a module: kernels, then biases."""
    if not isinstance(module, Last):
        return [module.weight, module.bias]
    cell = module.cell
    if isinstance(cell, nn.GRU):
        return [cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0]
    nn.init.zeros_(cell.bias_hh_l0.requires_grad_(False))
    return [cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0]


def _theirs(module: Any, channels: int, arrays: Any) -> list[Any]:
    if isinstance(module, nn.Conv2d):
        return [arrays[0].transpose(3, 2, 0, 1), arrays[1]]
    if isinstance(module, nn.Linear):
        W = arrays[0].reshape(-1, channels, module.out_features)
        return [W.transpose(2, 1, 0).reshape(module.out_features, -1), arrays[1]]
    return [_gates(module.cell, a.T) for a in arrays]


def _ours(module: Any, channels: int, arrays: Any) -> tuple[Any, ...]:
    if isinstance(module, nn.Conv2d):
        return arrays[0].transpose(2, 3, 1, 0), arrays[1]
    if isinstance(module, nn.Linear):
        W = arrays[0].reshape(module.out_features, channels, -1)
        return W.transpose(2, 1, 0).reshape(-1, module.out_features), arrays[1]
    return tuple(_gates(module.cell, a).T for a in arrays)


def _gates(cell: Any, array: Any) -> Any:
    """Exchange the first two of the GRU's gates, z r h here and r z n there; the LSTM's stand alike."""
    if not isinstance(cell, nn.GRU):
        return array
    z, r, h = np.split(array, 3)
    return np.concatenate([r, z, h])
