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
from fastnn.layers import Layer
from fastnn.layers.branches import Add, Concatenate
from fastnn.optional import load
from fastnn.plan import PlanBuilder
from fastnn.plan.convolution import Convolution
from fastnn.plan.plan import Op
from fastnn.plan.windows import Windows

if TYPE_CHECKING:
    from fastnn.models import Sequential

Array = np.ndarray[Any, Any]
Module = Any

MODULES = "fastnn.exchange.torch_modules"

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
    by_address = {
        leaf.address: [(p.name, arrays[p.name]) for p in leaf.parameters] for leaf in leaves(model)
    }  # fmt: skip
    load("torch", purpose="to_torch")
    writer = _Writer(load("torch.nn", purpose="to_torch"), model.dtype, by_address)
    return writer.stack(model.layers, plan.inputs.shape, ())[0].eval()


@dataclass
class _Place:
    """What a layer's writer needs to know about where it stands."""

    layer: Any
    shape: tuple[int, ...]
    op: Op | None
    arrays: list[dict[str, Array]]
    label: str

    @property
    def weights(self) -> dict[str, Array]:
        return self.arrays[0]


class _Writer:
    def __init__(self, nn: Any, dtype: np.dtype[Any],
                 by_address: dict[Address, list[tuple[str, Array]]]) -> None:  # fmt: skip
        self.nn, self.own = nn, load_modules()
        self.torch = load("torch", purpose="to_torch")
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
                modules += self.leaf(_Place(layer, shape, op, _by_number(self.by_address[here]), label))
            shape = after
        return self.nn.Sequential(*modules), shape

    def leaf(self, place: _Place) -> list[Module]:
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

    def activation(self, place: _Place, activation: Activation) -> list[Module]:
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
    from fastnn.exchange import torch_modules

    return torch_modules


def _by_number(named: list[tuple[str, Array]]) -> list[dict[str, Array]]:
    """Return a layer's arrays by kind (W, U, b), one mapping for each number in their names."""
    found: dict[str, dict[str, Array]] = {}
    for name, array in named:
        kind, number = re.match(r"(.*?)(\d+)$", name).groups()  # type: ignore[union-attr]
        found.setdefault(number, {})[kind] = array
    return list(found.values()) or [{}]


def _dense(w: _Writer, place: _Place) -> list[Module]:
    W = place.weights["W"]
    linear = w.nn.Linear(W.shape[1], W.shape[0], bias=place.layer.use_bias)
    return [w.filled(linear, weight=W, bias=place.weights.get("b")), *w.activation(place, place.layer.activation)]


def _axes(place: _Place) -> tuple[int, ...]:
    """Return which axes of a grid the samples have: a sequence lies along the second of a convolution's."""
    return (0, 1) if len(place.shape) == 3 else (1,)


def _convolution(w: _Writer, place: _Place) -> list[Module]:
    assert place.op is not None
    g: Convolution = place.op.static["geometry"]
    axes = _axes(place)
    pads = []
    for axis in axes:
        reach = (g.places[axis] - 1) * g.strides[axis] + (g.size[axis] - 1) * g.dilation[axis] + 1
        pads.append((g.before[axis], max(0, reach - g.cells[axis] - g.before[axis])))
    even = all(front == behind for front, behind in pads)
    settings = {"kernel_size": g.size, "stride": g.strides, "dilation": g.dilation}
    conv = (w.nn.Conv1d if len(axes) == 1 else w.nn.Conv2d)(
        g.channels, g.filters, groups=g.groups, bias=place.layer.use_bias,
        padding=tuple(front if even else 0 for front, _ in pads),
        **{name: tuple(value[axis] for axis in axes) for name, value in settings.items()},
    )  # fmt: skip
    conv = w.filled(conv, weight=place.weights["W"], bias=place.weights.get("b"))
    return [w.first(*([] if even else [w.pad(pads)]), conv), *w.activation(place, place.layer.activation)]


def _transposed_convolution(w: _Writer, place: _Place) -> list[Module]:
    assert place.op is not None
    g: Convolution = place.op.static["geometry"]
    padding, more, crop = [], [], []
    for axis in (0, 1):
        reach = (g.places[axis] - 1) * g.strides[axis] + (g.size[axis] - 1) * g.dilation[axis] + 1
        behind = reach - g.before[axis] - g.cells[axis]
        fits = 0 <= g.before[axis] - behind < max(g.strides[axis], g.dilation[axis])
        padding.append(g.before[axis] if fits else 0)
        more.append(g.before[axis] - behind if fits else max(0, -behind))
        crop.append((0, 0) if fits else (-g.before[axis], -max(0, behind)))
    conv = w.nn.ConvTranspose2d(
        g.filters, g.channels, g.size, g.strides, tuple(padding), tuple(more), g.groups, place.layer.use_bias,
        g.dilation,
    )  # fmt: skip
    conv = w.filled(conv, weight=place.weights["W"], bias=place.weights.get("b"))
    cropped = [w.pad(crop)] if any(map(any, crop)) else []
    return [w.first(conv, *cropped), *w.activation(place, place.layer.activation)]


def _pooling(kind: str) -> Callable[[_Writer, _Place], list[Module]]:
    def write(w: _Writer, place: _Place) -> list[Module]:
        assert place.op is not None
        windows: Windows = place.op.static["windows"]
        rank = len(place.shape) - 1
        pads = [
            (windows.before[axis], max(0, (windows.places[axis] - 1) * windows.strides[axis] + windows.size[axis]
             - windows.cells[axis] - windows.before[axis]))
            for axis in range(rank)
        ]  # fmt: skip
        even = all(front == behind for front, behind in pads)
        make = getattr(w.nn, f"{kind}Pool{rank}d")
        settings = {"count_include_pad": False} if kind == "Avg" and even else {}
        padding = tuple(front if even else 0 for front, _ in pads)
        pool = make(windows.size[:rank], windows.strides[:rank], padding, **settings)
        if even:
            return [w.first(pool)]
        if kind == "Max":
            return [w.first(w.own.MaxOfCells(pool, w.pad(pads, float("-inf"))))]
        return [w.first(w.own.MeanOfCells(pool, w.pad(pads)))]

    return write


def _global_pooling(kind: str) -> Callable[[_Writer, _Place], list[Module]]:
    def write(w: _Writer, place: _Place) -> list[Module]:
        pool = w.first(getattr(w.nn, f"Adaptive{kind}Pool{len(place.shape) - 1}d")(1))
        return [pool] if place.layer.keepdims else [pool, w.nn.Flatten()]

    return write


def _batch_normalization(w: _Writer, place: _Place) -> list[Module]:
    layer, arrays, rank = place.layer, place.weights, len(place.shape)
    if rank > 3:
        raise InvalidValueError(
            f"{place.label}: PyTorch's BatchNorm takes samples of 1 to 3 axes here, got {place.shape}"
        )
    make = w.nn.BatchNorm2d if rank == 3 else w.nn.BatchNorm1d
    module = make(place.shape[-1], eps=layer.epsilon, momentum=1 - layer.momentum, affine=layer.scale or layer.center)
    module = w.filled(module, weight=arrays.get("gamma"), bias=arrays.get("beta"), running_mean=arrays["mean"],
                      running_var=arrays["variance"])  # fmt: skip
    return [module if rank == 1 else w.first(module)]


def _layer_normalization(w: _Writer, place: _Place) -> list[Module]:
    layer = place.layer
    module = w.nn.LayerNorm(place.shape[-1], layer.epsilon, layer.scale or layer.center, bias=layer.center)
    return [w.filled(module, weight=place.weights.get("gamma"), bias=place.weights.get("beta"))]


def _embedding(w: _Writer, place: _Place) -> list[Module]:
    if place.layer.mask_zero:
        raise InvalidValueError(f"{place.label}: PyTorch has no masks; mask_zero cannot be said")
    table = place.weights["E"]
    return [w.filled(w.nn.Embedding(*table.shape), weight=table)]


CORES = {"simple_rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def _core(w: _Writer, place: _Place, layer: Any, arrays: dict[str, Array], aligned: bool) -> Module:
    f, r = layer.activation, getattr(layer, "recurrent_activation", None)
    accepted = ("tanh", "relu") if layer.kind == "simple_rnn" else ("tanh",)
    if f.name not in accepted or ACTIVATIONS[f.name] is not f:
        raise InvalidValueError(
            f"{place.label}: PyTorch's {CORES[layer.kind]} has activation {' or '.join(accepted)}, got {f.name!r}"
        )
    if r is not None and r is not ACTIVATIONS["sigmoid"]:
        raise InvalidValueError(f"{place.label}: PyTorch's recurrent activation is sigmoid, got {r.name!r}")
    if layer.recurrent_dropout or layer.stateful:
        what = "recurrent_dropout" if layer.recurrent_dropout else "stateful"
        raise InvalidValueError(f"{place.label}: PyTorch's {CORES[layer.kind]} knows no {what}")
    settings = {"nonlinearity": f.name} if layer.kind == "simple_rnn" else {}
    W, U = arrays["W"], arrays["U"]
    core = getattr(w.nn, CORES[layer.kind])(
        W.shape[1], layer.units, bias=layer.use_bias, batch_first=True, **settings
    )  # fmt: skip
    gates = [1, 0, 2] if layer.kind == "gru" else list(range(len(W) // layer.units))
    zeros = np.zeros(len(W))

    def ordered(array: Array) -> Array:
        return array.reshape(len(gates), layer.units, *array.shape[1:])[gates].reshape(array.shape)

    core = w.filled(core, weight_ih_l0=ordered(W), weight_hh_l0=ordered(U), bias_ih_l0=ordered(arrays.get("b", zeros)),
                    bias_hh_l0=ordered(arrays.get("bU", zeros)))  # fmt: skip
    return w.own.Recurrent(core, layer.return_sequences, layer.go_backwards, aligned)


def _recurrent(w: _Writer, place: _Place) -> list[Module]:
    core = _core(w, place, place.layer, place.weights, False)
    rate = place.layer.dropout
    return [*([w.first(w.nn.Dropout1d(rate))] if rate else []), core]


def _bidirectional(w: _Writer, place: _Place) -> list[Module]:
    layer = place.layer
    forwards = _core(w, place, layer.layer, place.arrays[0], True)
    backwards = _core(w, place, layer.backward_layer or layer.layer, place.arrays[1], True)
    if layer.backward_layer is None:
        backwards.go_backwards = not forwards.go_backwards
    if layer.layer.dropout:
        raise InvalidValueError(f"{place.label}: PyTorch has no dropout of the inputs of each direction by itself")
    return [w.own.Bidirectional(forwards, backwards, layer.merge_mode)]


def _prelu(w: _Writer, place: _Place) -> list[Module]:
    alpha = place.weights["alpha"]
    if alpha.size != alpha.shape[-1]:
        return [w.own.Slopes(w.tensor(alpha))]
    module = w.filled(w.nn.PReLU(alpha.size), weight=alpha.reshape(-1))
    return [module if len(place.shape) == 1 or alpha.size == 1 else w.first(module)]


def _reshape(w: _Writer, place: _Place) -> list[Module]:
    builder = PlanBuilder(place.shape)
    target = place.layer.build(builder, builder.inputs).shape
    return [w.nn.Flatten(), *([w.nn.Unflatten(1, target)] if len(target) > 1 else [])]


def _time_distributed(w: _Writer, place: _Place) -> list[Module]:
    inner = place.layer.layer
    if inner.kind not in ("dense", "activation", "dropout", "flatten", "reshape"):
        raise InvalidValueError(f"{place.label}: PyTorch has no module that does {type(inner).__name__} to each step")
    if inner.kind not in ("flatten", "reshape"):
        return w.leaf(_Place(inner, place.shape, place.op, place.arrays, place.label))
    return _reshape(w, place)


def _up_sampling(w: _Writer, place: _Place) -> list[Module]:
    return [w.first(w.nn.Upsample(scale_factor=tuple(float(n) for n in place.layer.size), mode="nearest"))]


WRITERS: dict[str, Callable[[_Writer, _Place], list[Module]]] = {
    "activation": lambda w, place: w.activation(place, place.layer.activation),
    "activity_regularization": lambda w, place: [],
    "average_pooling_1d": _pooling("Avg"),
    "average_pooling_2d": _pooling("Avg"),
    "batch_normalization": _batch_normalization,
    "bidirectional": _bidirectional,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv2d_transpose": _transposed_convolution,
    "cropping_1d": lambda w, place: [w.first(w.pad([(-a, -b) for a, b in place.layer.cropping]))],
    "cropping_2d": lambda w, place: [w.first(w.pad([(-a, -b) for a, b in place.layer.cropping]))],
    "dense": _dense,
    "depthwise_conv2d": _convolution,
    "dropout": lambda w, place: [w.nn.Dropout(place.layer.rate)],
    "elu": lambda w, place: [w.nn.ELU(place.layer.alpha)],
    "embedding": _embedding,
    "flatten": lambda w, place: [w.nn.Flatten()],
    "gaussian_noise": lambda w, place: [w.own.GaussianNoise(place.layer.stddev)],
    "global_average_pooling_1d": _global_pooling("Avg"),
    "global_average_pooling_2d": _global_pooling("Avg"),
    "global_max_pooling_1d": _global_pooling("Max"),
    "global_max_pooling_2d": _global_pooling("Max"),
    "gru": _recurrent,
    "layer_normalization": _layer_normalization,
    "leaky_relu": lambda w, place: [w.nn.LeakyReLU(place.layer.negative_slope)],
    "lstm": _recurrent,
    "max_pooling_1d": _pooling("Max"),
    "max_pooling_2d": _pooling("Max"),
    "permute": lambda w, place: [w.own.Permute(place.layer.dims)],
    "prelu": _prelu,
    "relu": lambda w, place: [w.nn.LeakyReLU(s) if (s := place.layer.negative_slope) else w.nn.ReLU()],
    "reshape": _reshape,
    "simple_rnn": _recurrent,
    "softmax": lambda w, place: [w.nn.Softmax(-1)],
    "spatial_dropout_1d": lambda w, place: [w.first(w.nn.Dropout1d(place.layer.rate))],
    "spatial_dropout_2d": lambda w, place: [w.first(w.nn.Dropout2d(place.layer.rate))],
    "time_distributed": _time_distributed,
    "up_sampling_1d": _up_sampling,
    "up_sampling_2d": _up_sampling,
    "zero_padding_1d": lambda w, place: [w.first(w.pad(place.layer.padding))],
    "zero_padding_2d": lambda w, place: [w.first(w.pad(place.layer.padding))],
}
"""By kind of layer, what writes its modules."""
