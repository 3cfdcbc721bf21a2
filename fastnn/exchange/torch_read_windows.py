"""How PyTorch's convolutions, pooling, padding and upsampling are read: all of them channels first there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastnn import layers as L
from fastnn.plan.convolution import out_places
from fastnn.plan.windows import places_along

if TYPE_CHECKING:
    from fastnn.exchange.torch_reader import Reader

Read = Callable[["Reader", Any], None]


def _per_axis(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes


def convolution(axes: int) -> Read:
    """Return what reads a convolution along so many axes."""

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


def transposed_convolution(r: Reader, m: Any) -> None:
    """Read a transposed convolution; PyTorch's padding cuts the edges off."""
    r.to_first()
    layer = L.Conv2DTranspose(m.out_channels, m.kernel_size, m.stride, "valid", tuple(m.output_padding), m.dilation,
                              m.groups, use_bias=m.bias is not None)  # fmt: skip
    r.add(layer, r.array(m.weight), None if m.bias is None else r.array(m.bias))
    if any(m.padding):
        r.add(_cropped([(pad, pad) for pad in m.padding]))


def pooling(kind: str, axes: int) -> Read:
    """Return what reads pooling: windows that are those of "valid" or "same" here, zeros around first if counted."""

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


def adaptive_pooling(kind: str, axes: int) -> Read:
    """Return what reads pooling to so many cells: to one, or to a divisor of those that there are."""

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


def own_pooling(kind: str) -> Read:
    """Return what reads what ``to_torch`` made of pooling with padding "same"."""

    def read(r: Reader, m: Any) -> None:
        axes = len(r.shape) - 1
        size, strides = _per_axis(m.pool.kernel_size, axes), _per_axis(m.pool.stride, axes)
        r.add(getattr(L, f"{kind}Pooling{axes}D")(size, strides, "same"))

    return read


def zero_pad(r: Reader, m: Any) -> None:
    """Read zeros around an image or a sequence, and negative ones as cropping."""
    r.to_first()
    flat = list(m.padding)
    pads = [(flat[k], flat[k + 1]) for k in range(len(flat) - 2, -2, -2)]
    for sign, make in ((1, _zeros), (-1, _cropped)):
        some = [(max(0, sign * a), max(0, sign * b)) for a, b in pads]
        if any(map(any, some)):
            r.add(make(some))


def upsample(r: Reader, m: Any) -> None:
    """Read repeats by whole numbers."""
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
