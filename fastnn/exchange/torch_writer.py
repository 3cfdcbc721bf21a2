"""A model as a PyTorch module: modules of ``torch.nn`` that people know, in the order of the layers.

Samples stay channels last, so the module takes what ``predict`` takes; what PyTorch computes channels first is wrapped
in ``ChannelsFirst``, which moves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.errors import InvalidValueError
from fastnn.exchange.leaves import Address, leaves
from fastnn.exchange.torch_write_layers import WRITERS
from fastnn.layers import Layer
from fastnn.layers.branches import Add, Concatenate
from fastnn.optional import load
from fastnn.plan import PlanBuilder
from fastnn.plan.plan import Op

if TYPE_CHECKING:
    from fastnn.models import Sequential

Array = np.ndarray[Any, Any]
Module = Any

SIMPLE = {
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softsign": "Softsign",
    "selu": "SELU",
    "hard_sigmoid": "Hardsigmoid",
    "gelu": "GELU",
    "mish": "Mish",
    "swish": "SiLU",
    "silu": "SiLU",
}
"""Activations that are modules without settings."""

WITH_SETTINGS: dict[str, Callable[[Any, float | None], Module]] = {
    "elu": lambda nn, alpha: nn.ELU(alpha),
    "leaky_relu": lambda nn, alpha: nn.LeakyReLU(alpha),
    "softplus": lambda nn, alpha: nn.Softplus(threshold=50),  # above it PyTorch returns z, by default from 20 on
    "softmax": lambda nn, alpha: nn.Softmax(-1),
    "log_softmax": lambda nn, alpha: nn.LogSoftmax(-1),
}


def to_torch(model: Sequential) -> Any:
    """Return a ``torch.nn.Sequential`` with a model's layers and weights, in evaluation mode.

    Parameters
    ----------
    model : Sequential
        Built.

    Returns
    -------
    torch.nn.Sequential
        Takes and gives samples as ``predict`` does, channels last, in the model's dtype; ``Embedding`` takes whole
        numbers (int64). Outputs agree to rounding.

    Raises
    ------
    InvalidValueError
        If PyTorch has no such layer: ``Masking``, activations of one's own, recurrent layers with other activations
        than PyTorch's, with dropout of the state, or stateful. The message names the layer.
    NotBuiltError, MissingPackageError

    Notes
    -----
    In training PyTorch's ``BatchNorm`` keeps an unbiased variance, and its recurrent modules have two biases where ours
    have one; the second starts from zeros. Penalties on weights are the optimizer's business there.
    """
    plan = model._built_plan()
    arrays = {**model.weights, **model.statistics}
    by_address = {leaf.address: [(p.name, arrays[p.name]) for p in leaf.parameters] for leaf in leaves(model)}
    return Writer(model.dtype, by_address).stack(model.layers, plan.inputs.shape, ())[0].eval()


@dataclass
class Place:
    """What a layer's writer needs to know about where it stands."""

    layer: Any
    shape: tuple[int, ...]
    op: Op | None
    arrays: list[dict[str, Array]]
    label: str

    @property
    def weights(self) -> dict[str, Array]:
        """Arrays of a layer that has one of each kind."""
        return self.arrays[0]


class Writer:
    """Makes modules.

    Attributes
    ----------
    nn, own, torch : module
        ``torch.nn``, our own modules, and ``torch``.
    dtype : torch.dtype
    by_address : dict
        Names and arrays of each layer's weights.
    """

    nn: Any
    own: Any
    torch: Any

    def __init__(self, dtype: np.dtype[Any], by_address: dict[Address, list[tuple[str, Array]]]) -> None:
        self.torch, self.nn = load("torch", purpose="to_torch"), load("torch.nn", purpose="to_torch")
        self.own = load_modules()
        self.dtype = getattr(self.torch, str(dtype))
        self.by_address = by_address

    def stack(self, layers: Sequence[Layer], shape: tuple[int, ...],
              address: Address) -> tuple[Module, tuple[int, ...]]:  # fmt: skip
        """Return layers as one module, and the shape of a sample behind them."""
        modules: list[Module] = []
        for place, layer in enumerate(layers):
            here = (*address, place)
            builder = PlanBuilder(shape)
            after = layer.build(builder, builder.inputs).shape
            if isinstance(layer, Add | Concatenate):
                ends = [self.stack(branch, shape, (*here, k))[0] for k, branch in enumerate(layer.branches)]
                axis = None if isinstance(layer, Add) else layer.axis
                modules.append(self.own.Branches(ends, axis))
            else:
                op = builder.forward[0] if builder.forward else None
                label = f"layer {here[0] + 1} ({type(layer).__name__})"
                modules += self.leaf(Place(layer, shape, op, _by_number(self.by_address[here]), label))
            shape = after
        return self.nn.Sequential(*modules), shape

    def leaf(self, place: Place) -> list[Module]:
        """Return the modules of one layer that is no branching."""
        kind = place.layer.kind
        if kind not in WRITERS:
            raise InvalidValueError(
                f"{place.label}: PyTorch has no such layer; what can be said: {', '.join(sorted(WRITERS))}"
            )
        return WRITERS[kind](self, place)

    def tensor(self, array: Array) -> Any:
        """Return a copy of an array as a tensor."""
        return self.torch.tensor(np.ascontiguousarray(array), dtype=self.dtype)

    def filled(self, module: Module, **arrays: Array | None) -> Module:
        """Return a module in the model's dtype with weights set; those given as None stay as they are, and fixed."""
        module = module.to(self.dtype)
        with self.torch.no_grad():
            for name, array in arrays.items():
                parameter = getattr(module, name, None)
                if parameter is not None and array is not None:
                    parameter.copy_(self.tensor(array))
                elif parameter is not None:
                    parameter.requires_grad_(False)
        return module

    def first(self, *modules: Module) -> Module:
        """Return modules that work channels first as one that works channels last."""
        return self.own.ChannelsFirst(modules[0] if len(modules) == 1 else self.nn.Sequential(*modules))

    def pad(self, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Module:
        """Return the module that pads, or crops where a number is negative, each axis of a grid."""
        flat = [n for pair in reversed(pads) for n in pair]
        if value:
            return (self.nn.ConstantPad1d if len(pads) == 1 else self.nn.ConstantPad2d)(tuple(flat), value)
        return (self.nn.ZeroPad1d if len(pads) == 1 else self.nn.ZeroPad2d)(tuple(flat))

    def activation(self, place: Place, activation: Activation) -> list[Module]:
        """Return the module of an activation; none for the linear one."""
        name = activation.name
        own = name in ACTIVATIONS and ACTIVATIONS[name].forward is activation.forward
        if own and name == "linear":
            return []
        if own and name in SIMPLE:
            return [getattr(self.nn, SIMPLE[name])()]
        if own and name == "exponential":
            return [self.own.Exponential()]
        if own and name in WITH_SETTINGS:
            return [WITH_SETTINGS[name](self.nn, activation.alpha)]
        known = ", ".join(sorted((*SIMPLE, *WITH_SETTINGS, "exponential", "linear")))
        raise InvalidValueError(f"{place.label}: PyTorch has no activation {name!r}; what can be said: {known}")


def load_modules() -> Any:
    """Return the file of our own modules; it needs PyTorch."""
    load("torch", purpose="to_torch")
    # needs PyTorch as it is loaded
    from fastnn.exchange import torch_modules

    return torch_modules


def _by_number(named: list[tuple[str, Array]]) -> list[dict[str, Array]]:
    """Return a layer's arrays by kind (W, U, b), one mapping for each number in their names."""
    found: dict[str, dict[str, Array]] = {}
    for name, array in named:
        kind, number = re.match(r"(.*?)(\d+)$", name).groups()  # type: ignore[union-attr]
        found.setdefault(number, {})[kind] = array
    return list(found.values()) or [{}]
