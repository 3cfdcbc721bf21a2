"""What each module of PyTorch is here: one function a kind of module, which tells the reader what layers to add."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import layers as L
from fastnn.plan.convolution import out_places
from fastnn.plan.windows import places_along

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

Read = Callable[["Reader", Any], None]


def _per_axis(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes


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


# --- windows --------------------------------------------------------------------------------------


def _convolution(axes: int) -> Read:
    def read(r: Reader, m: Any) -> None:
        r.to_first()
        if m.padding_mode != "zeros":
            raise r.fail(f"padding_mode must be 'zeros', got {m.padding_mode!r}")
        padding = m.padding if isinstance(m.padding, str) else _conv_padding(r, m, axes)
        layer = (L.Conv1D if axes == 1 else L.Conv2D)(
            m.out_channels, m.kernel_size, m.stride, padding, m.dilation, m.groups, use_bias=m.bias is not None
        )
        r.add(layer, r.array(m.weight), None if m.bias is None else r.array(m.bias))

    return read


def _conv_padding(r: Reader, m: Any, axes: int) -> str:
    """Return our padding; zeros that it does not mean become a layer."""
    given = _per_axis(m.padding, axes)
    if not any(given):
        return "valid"
    same = True
    for cells, k, s, d, pad in zip(r.shape, m.kernel_size, m.stride, m.dilation, given, strict=False):
        places = (cells + 2 * pad - (k - 1) * d - 1) // s + 1
        same = same and (places, pad) == out_places(cells, k, s, d, "same")
    if same:
        return "same"
    r.add(_zeros([(pad, pad) for pad in given]))
    return "valid"


def _zeros(pads: list[tuple[int, int]]) -> Any:
    return L.ZeroPadding1D(pads[0]) if len(pads) == 1 else L.ZeroPadding2D(tuple(pads))


def _cropped(pads: list[tuple[int, int]]) -> Any:
    return L.Cropping1D(pads[0]) if len(pads) == 1 else L.Cropping2D(tuple(pads))


def _transposed_convolution(r: Reader, m: Any) -> None:
    r.to_first()
    layer = L.Conv2DTranspose(m.out_channels, m.kernel_size, m.stride, "valid", tuple(m.output_padding), m.dilation,
                              m.groups, use_bias=m.bias is not None)  # fmt: skip
    r.add(layer, r.array(m.weight), None if m.bias is None else r.array(m.bias))
    if any(m.padding):
        r.add(_cropped([(pad, pad) for pad in m.padding]))


def _pooling(kind: str, axes: int) -> Read:
    def read(r: Reader, m: Any) -> None:
        r.to_first()
        size, padding = _per_axis(m.kernel_size, axes), _per_axis(m.padding, axes)
        strides = _per_axis(m.stride, axes)
        if max(_per_axis(getattr(m, "dilation", 1), axes)) > 1 or getattr(m, "return_indices", False):
            raise r.fail("dilation and return_indices have no match")
        if getattr(m, "divisor_override", None) is not None:
            raise r.fail("divisor_override has no match")
        if kind == "Average" and m.count_include_pad and any(padding) and not m.ceil_mode:
            r.add(_zeros([(pad, pad) for pad in padding]))
            padding = (0,) * axes
        found = [
            _pool_places(cells, k, s, pad, m.ceil_mode)
            for cells, k, s, pad in zip(r.shape, size, strides, padding, strict=False)
        ]
        counts_padding = kind == "Average" and m.count_include_pad and any(padding)
        for name in ("valid", "same"):
            ours = [places_along(*axis, name) for axis in zip(r.shape, size, strides, strict=False)]
            if ours == found and not counts_padding:
                r.add(getattr(L, f"{kind}Pooling{axes}D")(size, strides, name))
                return
        raise r.fail(
            f"pooling of kernel_size {size}, stride {strides}, padding {padding} and ceil_mode {m.ceil_mode} over "
            f"samples of shape {r.shape} is neither 'valid' nor 'same' here"
        )

    return read


def _pool_places(cells: int, size: int, stride: int, pad: int, ceil: bool) -> tuple[int, int]:
    """Return (number of windows, padding in front) as PyTorch has them."""
    room = cells + 2 * pad - size
    places = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (places - 1) * stride >= cells + pad:  # a window that would start behind the cells
        places -= 1
    return places, pad


def _adaptive_pooling(kind: str, axes: int) -> Read:
    def read(r: Reader, m: Any) -> None:
        r.to_first()
        wanted = [n or cells for n, cells in zip(_per_axis(m.output_size, axes), r.shape, strict=False)]
        if set(wanted) == {1}:
            r.add(getattr(L, f"Global{kind}Pooling{axes}D")(keepdims=True))
        elif all(cells % n == 0 for n, cells in zip(wanted, r.shape, strict=False)):
            size = tuple(cells // n for n, cells in zip(wanted, r.shape, strict=False))
            r.add(getattr(L, f"{kind}Pooling{axes}D")(size))
        else:
            raise r.fail(f"output_size {tuple(wanted)} must divide the cells of samples of shape {r.shape}")

    return read


def _own_pooling(kind: str) -> Read:
    """Return what reads what ``to_torch`` made of pooling with padding "same"."""

    def read(r: Reader, m: Any) -> None:
        axes = len(r.shape) - 1
        size, strides = _per_axis(m.pool.kernel_size, axes), _per_axis(m.pool.stride, axes)
        r.add(getattr(L, f"{kind}Pooling{axes}D")(size, strides, "same"))

    return read


def _zero_pad(r: Reader, m: Any) -> None:
    r.to_first()
    flat = list(m.padding)
    pads = [(flat[k], flat[k + 1]) for k in range(len(flat) - 2, -2, -2)]
    for sign, make in ((1, _zeros), (-1, _cropped)):
        some = [(max(0, sign * a), max(0, sign * b)) for a, b in pads]
        if any(map(any, some)):
            r.add(make(some))


def _upsample(r: Reader, m: Any) -> None:
    r.to_first()
    axes = len(r.shape) - 1
    if m.mode != "nearest":
        raise r.fail(f"mode must be 'nearest', got {m.mode!r}")
    given = m.scale_factor
    if given is None:
        given = [n / cells for n, cells in zip(_per_axis(m.size, axes), r.shape, strict=False)]
    factors = _per_axis(given, axes)
    if any(f != int(f) for f in factors):
        raise r.fail(f"scale factors must be whole numbers, got {factors}")
    r.add((L.UpSampling1D if axes == 1 else L.UpSampling2D)(tuple(int(f) for f in factors)))


# --- recurrent ------------------------------------------------------------------------------------


def _core(m: Any, layer: int, suffix: str, array: Callable[[Any], Array], **settings: Any) -> tuple[Any, list[Any]]:
    """Return one layer and direction of a recurrent module, and its weights."""
    W, U = (array(getattr(m, f"weight_{name}_l{layer}{suffix}")) for name in ("ih", "hh"))
    kind = type(m).__name__
    gates = [1, 0, 2] if kind == "GRU" else list(range(len(W) // m.hidden_size))
    biases = [array(getattr(m, f"bias_{name}_l{layer}{suffix}")) for name in ("ih", "hh")] if m.bias else []

    def ordered(values: Array) -> Array:
        return values.reshape(len(gates), m.hidden_size, *values.shape[1:])[gates].reshape(values.shape)

    if kind == "RNN":
        settings["activation"] = m.nonlinearity
    if kind != "GRU" and biases:
        biases = [biases[0] + biases[1]]
    made = {"RNN": L.SimpleRNN, "LSTM": L.LSTM, "GRU": L.GRU}[kind](m.hidden_size, use_bias=m.bias, **settings)
    return made, [ordered(values) for values in (W, U, *biases)]


def _check_core(r: Reader, m: Any) -> None:
    r.to_last()
    if not m.batch_first:
        raise r.fail("samples come first here: make the module with batch_first=True, its weights are the same")
    if getattr(m, "proj_size", 0):
        raise r.fail("proj_size has no match")


def _recurrent(r: Reader, m: Any) -> None:
    """Read all layers and directions of an RNN, LSTM or GRU: its outputs of all steps."""
    _check_core(r, m)
    for layer in range(m.num_layers):
        if layer and m.dropout:
            r.add(L.Dropout(m.dropout))
        made, weights = _core(m, layer, "", r.array, return_sequences=True)
        if m.bidirectional:
            weights += _core(m, layer, "_reverse", r.array)[1]
            made = L.Bidirectional(made)
        r.add(made, *weights)


def _own_recurrent(r: Reader, m: Any) -> None:
    made, weights = _wrapped(r, m)
    r.add(made, *weights)


def _wrapped(r: Reader, m: Any) -> tuple[Any, list[Any]]:
    _check_core(r, m.core)
    if m.core.num_layers > 1 or m.core.bidirectional:
        raise r.fail("Recurrent holds a module of one layer and direction")
    return _core(m.core, 0, "", r.array, return_sequences=m.return_sequences, go_backwards=m.go_backwards)


def _own_bidirectional(r: Reader, m: Any) -> None:
    (forwards, weights), (backwards, more) = _wrapped(r, m.forwards), _wrapped(r, m.backwards)
    r.add(L.Bidirectional(forwards, m.merge_mode, backwards), *weights, *more)


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
    "AdaptiveAvgPool1d": _adaptive_pooling("Average", 1),
    "AdaptiveAvgPool2d": _adaptive_pooling("Average", 2),
    "AdaptiveMaxPool1d": _adaptive_pooling("Max", 1),
    "AdaptiveMaxPool2d": _adaptive_pooling("Max", 2),
    "AvgPool1d": _pooling("Average", 1),
    "AvgPool2d": _pooling("Average", 2),
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "Bidirectional": _own_bidirectional,
    "Branches": _branches,
    "Conv1d": _convolution(1),
    "Conv2d": _convolution(2),
    "ConvTranspose2d": _transposed_convolution,
    "Dropout": lambda r, m: r.add(L.Dropout(m.p)),
    "Dropout1d": _spatial_dropout(L.SpatialDropout1D),
    "Dropout2d": _spatial_dropout(L.SpatialDropout2D),
    "ELU": lambda r, m: r.add(L.ELU(m.alpha)),
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GELU": _gelu,
    "GRU": _recurrent,
    "GaussianNoise": lambda r, m: r.add(L.GaussianNoise(m.stddev)),
    "Identity": lambda r, m: None,
    "LSTM": _recurrent,
    "LayerNorm": _layer_norm,
    "LeakyReLU": lambda r, m: r.add(L.LeakyReLU(m.negative_slope)),
    "Linear": _linear,
    "LogSoftmax": _softmax("log_softmax"),
    "MaxPool1d": _pooling("Max", 1),
    "MaxPool2d": _pooling("Max", 2),
    "MaxOfCells": _own_pooling("Max"),
    "MeanOfCells": _own_pooling("Average"),
    "PReLU": _prelu,
    "Permute": _permute,
    "RNN": _recurrent,
    "Recurrent": _own_recurrent,
    "Slopes": _slopes,
    "Softmax": _softmax("softmax"),
    "Softplus": _softplus,
    "Unflatten": _unflatten,
    "Upsample": _upsample,
    "ZeroPad1d": _zero_pad,
    "ZeroPad2d": _zero_pad,
    **{kind: _named(name) for kind, name in ACTIVATIONS.items()},
}
"""By the name of a module's class, what reads it."""

LAST = frozenset({"Linear", "LayerNorm", "Embedding", "RNN", "LSTM", "GRU", "Recurrent", "Bidirectional", "Branches",
                  "Permute", "Slopes"})  # fmt: skip
"""Modules that work along the last axis."""

FIRST = frozenset(kind for kind in READERS if "Pool" in kind or kind.startswith(("Conv", "ZeroPad", "Dropout"))) - {
    "Dropout"
} | {"BatchNorm2d", "Upsample"}
"""Modules that take channels first."""

THROUGH = frozenset({*ACTIVATIONS, "Dropout", "ELU", "GELU", "GaussianNoise", "Identity", "LeakyReLU", "PReLU",
                     "Softplus"})  # fmt: skip
"""Modules that treat every feature by itself."""
