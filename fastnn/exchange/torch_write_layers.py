"""What writes the modules of each kind of layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastnn.errors import InvalidValueError
from fastnn.exchange.torch_write_recurrent import bidirectional, recurrent
from fastnn.exchange.torch_write_windows import (
    Write,
    convolution,
    global_pooling,
    pooling,
    transposed_convolution,
    up_sampling,
)
from fastnn.layers.time_distributed import STEPWISE
from fastnn.plan import PlanBuilder

if TYPE_CHECKING:
    from fastnn.exchange.torch_writer import Place, Writer

Module = Any


def _dense(w: Writer, place: Place) -> list[Module]:
    W = place.weights["W"]
    linear = w.nn.Linear(W.shape[1], W.shape[0], bias=place.layer.use_bias)
    return [w.filled(linear, weight=W, bias=place.weights.get("b")), *w.activation(place, place.layer.activation)]


def _batch_normalization(w: Writer, place: Place) -> list[Module]:
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


def _layer_normalization(w: Writer, place: Place) -> list[Module]:
    layer = place.layer
    module = w.nn.LayerNorm(place.shape[-1], layer.epsilon, layer.scale or layer.center, bias=layer.center)
    return [w.filled(module, weight=place.weights.get("gamma"), bias=place.weights.get("beta"))]


def _embedding(w: Writer, place: Place) -> list[Module]:
    if place.layer.mask_zero:
        raise InvalidValueError(f"{place.label}: PyTorch has no masks; mask_zero cannot be said")
    table = place.weights["E"]
    return [w.filled(w.nn.Embedding(*table.shape), weight=table)]


def _prelu(w: Writer, place: Place) -> list[Module]:
    alpha = place.weights["alpha"]
    if alpha.size != alpha.shape[-1]:
        return [w.own.Slopes(w.tensor(alpha))]
    module = w.filled(w.nn.PReLU(alpha.size), weight=alpha.reshape(-1))
    return [module if len(place.shape) == 1 or alpha.size == 1 else w.first(module)]


def _reshape(w: Writer, place: Place) -> list[Module]:
    builder = PlanBuilder(place.shape)
    target = place.layer.build(builder, builder.inputs).shape
    return [w.nn.Flatten(), *([w.nn.Unflatten(1, target)] if len(target) > 1 else [])]


def _time_distributed(w: Writer, place: Place) -> list[Module]:
    inner = place.layer.layer
    if isinstance(inner, STEPWISE):
        return w.leaf(replace(place, layer=inner))
    if inner.kind in ("flatten", "reshape"):
        return _reshape(w, place)
    builder = PlanBuilder(place.shape[1:])
    inner.build(builder, builder.inputs)
    step = replace(place, layer=inner, shape=place.shape[1:], op=builder.forward[0] if builder.forward else None)
    return [w.own.EachStep(w.nn.Sequential(*w.leaf(step)))]


WRITERS: dict[str, Write] = {
    "activation": lambda w, place: w.activation(place, place.layer.activation),
    "activity_regularization": lambda w, place: [],
    "average_pooling_1d": pooling("Avg"),
    "average_pooling_2d": pooling("Avg"),
    "batch_normalization": _batch_normalization,
    "bidirectional": bidirectional,
    "conv1d": convolution,
    "conv2d": convolution,
    "conv2d_transpose": transposed_convolution,
    "cropping_1d": lambda w, place: [w.first(w.pad([(-a, -b) for a, b in place.layer.cropping]))],
    "cropping_2d": lambda w, place: [w.first(w.pad([(-a, -b) for a, b in place.layer.cropping]))],
    "dense": _dense,
    "depthwise_conv2d": convolution,
    "dropout": lambda w, place: [w.nn.Dropout(place.layer.rate)],
    "elu": lambda w, place: [w.nn.ELU(place.layer.alpha)],
    "embedding": _embedding,
    "flatten": lambda w, place: [w.nn.Flatten()],
    "gaussian_noise": lambda w, place: [w.own.GaussianNoise(place.layer.stddev)],
    "global_average_pooling_1d": global_pooling("Avg"),
    "global_average_pooling_2d": global_pooling("Avg"),
    "global_max_pooling_1d": global_pooling("Max"),
    "global_max_pooling_2d": global_pooling("Max"),
    "gru": recurrent,
    "layer_normalization": _layer_normalization,
    "leaky_relu": lambda w, place: [w.nn.LeakyReLU(place.layer.negative_slope)],
    "lstm": recurrent,
    "max_pooling_1d": pooling("Max"),
    "max_pooling_2d": pooling("Max"),
    "permute": lambda w, place: [w.own.Permute(place.layer.dims)],
    "prelu": _prelu,
    "relu": lambda w, place: [w.nn.LeakyReLU(s) if (s := place.layer.negative_slope) else w.nn.ReLU()],
    "reshape": _reshape,
    "simple_rnn": recurrent,
    "softmax": lambda w, place: [w.nn.Softmax(-1)],
    "spatial_dropout_1d": lambda w, place: [w.first(w.nn.Dropout1d(place.layer.rate))],
    "spatial_dropout_2d": lambda w, place: [w.first(w.nn.Dropout2d(place.layer.rate))],
    "time_distributed": _time_distributed,
    "up_sampling_1d": up_sampling,
    "up_sampling_2d": up_sampling,
    "zero_padding_1d": lambda w, place: [w.first(w.pad(place.layer.padding))],
    "zero_padding_2d": lambda w, place: [w.first(w.pad(place.layer.padding))],
}
"""By kind of layer, what writes its modules."""
