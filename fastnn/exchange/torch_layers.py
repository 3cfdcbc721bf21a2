"""What each module of PyTorch is here: one function a kind of module, which tells the reader what layers to add."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import layers as L
from fastnn.exchange.torch_read_recurrent import own_bidirectional, own_recurrent, recurrent
from fastnn.exchange.torch_read_windows import (
    Read,
    adaptive_pooling,
    convolution,
    own_pooling,
    pooling,
    transposed_convolution,
    upsample,
    zero_pad,
)

if TYPE_CHECKING:
    from fastnn.exchange.torch_reader import Reader

Array = np.ndarray[Any, Any]

ENTER, EXIT = "enters channels first", "leaves channels first"
"""Marks of ``ChannelsFirst``, around what it holds."""

ACTIVATIONS = {
    "ReLU": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softsign": "softsign",
    "SELU": "selu",
    "Hardsigmoid": "hard_sigmoid",
    "Mish": "mish",
    "SiLU": "swish",
    "Exponential": "exponential",
}
"""Modules without settings."""


# --- dense and normalization ----------------------------------------------------------------------


def _linear(r: Reader, m: Any) -> None:
    r.to_last()
    W = r.array(m.weight)
    if r.columns is not None:
        W, r.columns = W[:, r.columns], None
    r.add(L.Dense(m.out_features, use_bias=m.bias is not None), W, None if m.bias is None else r.array(m.bias))


def _features(r: Reader, tensor: Any) -> Array | None:
    """Return one number a feature in our order."""
    if tensor is None:
        return None
    array = r.array(tensor)
    return array if r.columns is None else array[r.columns]


def _batch_norm(r: Reader, m: Any) -> None:
    if len(r.shape) > 1:
        r.to_first()
    if m.running_mean is None:
        raise r.fail("track_running_stats=False has no match: predictions here do not depend on the batch")
    if m.momentum is None:
        raise r.fail("momentum=None, a cumulative average, has no match")
    layer = L.BatchNormalization(
        momentum=1 - m.momentum, epsilon=m.eps, center=m.bias is not None, scale=m.weight is not None
    )
    r.add(layer, *(_features(r, tensor) for tensor in (m.weight, m.bias, m.running_mean, m.running_var)))


def _layer_norm(r: Reader, m: Any) -> None:
    r.to_last()
    if len(m.normalized_shape) != 1:
        raise r.fail(f"LayerNorm here is over the last axis alone, got normalized_shape {tuple(m.normalized_shape)}")
    layer = L.LayerNormalization(epsilon=m.eps, center=m.bias is not None, scale=m.weight is not None)
    r.add(layer, _features(r, m.weight), _features(r, m.bias))


def _embedding(r: Reader, m: Any) -> None:
    if r.layers:
        raise r.fail("Embedding must be the first module")
    if m.max_norm is not None:
        raise r.fail("max_norm has no match")
    r.add(L.Embedding(m.num_embeddings, m.embedding_dim), r.array(m.weight))


# --- shapes and the rest --------------------------------------------------------------------------


def _flatten(r: Reader, m: Any) -> None:
    rank = len(r.shape)
    end = m.end_dim if m.end_dim >= 0 else m.end_dim + rank + 1
    if m.start_dim == 1 and end == rank:
        cells = math.prod(r.shape[:-1])
        if r.first and cells > 1 and r.shape[-1] > 1:
            if _next_kind(r) == "Linear":
                r.columns = np.moveaxis(np.arange(cells * r.shape[-1]).reshape(r.shape[-1], cells), 0, -1).reshape(-1)
            else:
                r.to_last()
        r.first = False
        if rank > 1:
            r.add(L.Flatten())
        return
    r.to_last()
    if m.start_dim < 1:
        raise r.fail("axis 0 are the samples")
    middle = math.prod(r.shape[m.start_dim - 1 : end])
    r.add(L.Reshape((*r.shape[: m.start_dim - 1], middle, *r.shape[end:])))


def _next_kind(r: Reader) -> str:
    """Return the kind of the next module that looks at features one by one."""
    for _, module in r.rest:
        kind = module if isinstance(module, str) else type(module).__name__
        if kind not in THROUGH and kind != "BatchNorm1d":
            return kind
    return ""


def _unflatten(r: Reader, m: Any) -> None:
    r.to_last()
    axis = m.dim - 1 if m.dim > 0 else m.dim + len(r.shape)
    r.add(L.Reshape((*r.shape[:axis], *m.unflattened_size, *r.shape[axis + 1 :])))


def _permute(r: Reader, m: Any) -> None:
    r.to_last()
    r.add(L.Permute(m.dims))


def _softmax(name: str) -> Read:
    def read(r: Reader, m: Any) -> None:
        rank = len(r.shape)
        channels = (1, -rank) if r.first or rank == 1 else (-1, rank)
        if m.dim not in channels:
            raise r.fail(f"softmax here is over the channels, dim {channels[0]} of this sample, got {m.dim}")
        r.activate(name)

    return read


def _gelu(r: Reader, m: Any) -> None:
    if m.approximate != "none":
        raise r.fail(f"gelu here is exact, got approximate {m.approximate!r}")
    r.activate("gelu")


def _softplus(r: Reader, m: Any) -> None:
    if m.beta != 1:
        raise r.fail(f"softplus here has beta 1, got {m.beta}")
    r.activate("softplus")


def _prelu(r: Reader, m: Any) -> None:
    slopes = r.array(m.weight)
    rank = len(r.shape)
    if slopes.size == 1:
        r.add(L.PReLU(shared_axes=list(range(1, rank + 1))), slopes.reshape((1,) * rank))
        return
    if rank > 1:
        r.to_first()
    elif r.columns is not None:
        slopes = slopes[r.columns]
    r.add(L.PReLU(shared_axes=list(range(1, rank))), slopes.reshape((*(1,) * (rank - 1), -1)))


def _slopes(r: Reader, m: Any) -> None:
    alpha = r.array(m.alpha)
    r.add(L.PReLU(shared_axes=[k + 1 for k, n in enumerate(alpha.shape) if n == 1]), alpha)


def _each_step(r: Reader, m: Any) -> None:
    from fastnn.exchange.torch_reader import Reader, flattened

    r.to_last()
    inner = Reader(r.shape[1:])
    inner.read([(f"{r.where} {path}", module) for path, module in flattened(m.inner)])
    inner.to_last()
    arrays = iter(inner.arrays)
    for layer, count in zip(inner.layers, inner.counts, strict=True):
        r.add(L.TimeDistributed(layer), *(next(arrays) for _ in range(count)))


def _branches(r: Reader, m: Any) -> None:
    from fastnn.exchange.torch_reader import Reader, flattened

    r.to_last()
    found, arrays = [], []
    for number, branch in enumerate(m.branches):
        inner = Reader(r.shape)
        inner.read([(f"{r.where} branch {number + 1} {path}", module) for path, module in flattened(branch)])
        inner.to_last()
        found.append(inner.layers)
        arrays += inner.arrays
    r.add(L.Add(found) if m.axis is None else L.Concatenate(found, m.axis), *arrays)


def _spatial_dropout(make: Any) -> Read:
    def read(r: Reader, m: Any) -> None:
        r.to_first()
        r.add(make(m.p))

    return read


def _named(name: str) -> Read:
    return lambda r, m: r.activate(name)


READERS: dict[str, Read] = {
    "AdaptiveAvgPool1d": adaptive_pooling("Average", 1),
    "AdaptiveAvgPool2d": adaptive_pooling("Average", 2),
    "AdaptiveMaxPool1d": adaptive_pooling("Max", 1),
    "AdaptiveMaxPool2d": adaptive_pooling("Max", 2),
    "AvgPool1d": pooling("Average", 1),
    "AvgPool2d": pooling("Average", 2),
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "Bidirectional": own_bidirectional,
    "Branches": _branches,
    "Conv1d": convolution(1),
    "Conv2d": convolution(2),
    "ConvTranspose2d": transposed_convolution,
    "Dropout": lambda r, m: r.add(L.Dropout(m.p)),
    "Dropout1d": _spatial_dropout(L.SpatialDropout1D),
    "Dropout2d": _spatial_dropout(L.SpatialDropout2D),
    "EachStep": _each_step,
    "ELU": lambda r, m: r.add(L.ELU(m.alpha)),
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GELU": _gelu,
    "GRU": recurrent,
    "GaussianNoise": lambda r, m: r.add(L.GaussianNoise(m.stddev)),
    "Identity": lambda r, m: None,
    "LSTM": recurrent,
    "LayerNorm": _layer_norm,
    "LeakyReLU": lambda r, m: r.add(L.LeakyReLU(m.negative_slope)),
    "Linear": _linear,
    "LogSoftmax": _softmax("log_softmax"),
    "MaxPool1d": pooling("Max", 1),
    "MaxPool2d": pooling("Max", 2),
    "MaxOfCells": own_pooling("Max"),
    "MeanOfCells": own_pooling("Average"),
    "PReLU": _prelu,
    "Permute": _permute,
    "RNN": recurrent,
    "Recurrent": own_recurrent,
    "Slopes": _slopes,
    "Softmax": _softmax("softmax"),
    "Softplus": _softplus,
    "Unflatten": _unflatten,
    "Upsample": upsample,
    "ZeroPad1d": zero_pad,
    "ZeroPad2d": zero_pad,
    **{kind: _named(name) for kind, name in ACTIVATIONS.items()},
}
"""By the name of a module's class, what reads it."""

LAST = frozenset({"Linear", "LayerNorm", "Embedding", "RNN", "LSTM", "GRU", "Recurrent", "Bidirectional", "Branches",
                  "EachStep",
                  "Permute", "Slopes"})  # fmt: skip
"""Modules that work along the last axis."""

FIRST = frozenset(kind for kind in READERS if "Pool" in kind or kind.startswith(("Conv", "ZeroPad", "Dropout"))) - {
    "Dropout"
} | {"BatchNorm2d", "Upsample"}
"""Modules that take channels first."""

THROUGH = frozenset({*ACTIVATIONS, "Dropout", "ELU", "GELU", "GaussianNoise", "Identity", "LeakyReLU", "PReLU",
                     "Softplus"})  # fmt: skip
"""Modules that treat every feature by itself."""
