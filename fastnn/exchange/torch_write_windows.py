"""How convolutions, pooling and upsampling are written: modules that work channels first, wrapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastnn.plan.convolution import Convolution
from fastnn.plan.windows import Windows

if TYPE_CHECKING:
    from fastnn.exchange.torch_writer import Place, Writer

Module = Any
Write = Callable[["Writer", "Place"], list[Module]]


def _axes(place: Place) -> tuple[int, ...]:
    """Return which axes of a grid the samples have: a sequence lies along the second of a convolution's."""
    return (0, 1) if len(place.shape) == 3 else (1,)


def convolution(w: Writer, place: Place) -> list[Module]:
    """Return a convolution, behind zeros where its padding is not the same on both sides."""
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


def transposed_convolution(w: Writer, place: Place) -> list[Module]:
    """Return a transposed convolution, cropped where PyTorch's padding cannot say the edges."""
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


def pooling(kind: str) -> Write:
    """Return what writes pooling, ``"Avg"`` or ``"Max"``, over the cells that exist."""

    def write(w: Writer, place: Place) -> list[Module]:
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


def global_pooling(kind: str) -> Write:
    """Return what writes pooling over a whole sample."""

    def write(w: Writer, place: Place) -> list[Module]:
        pool = w.first(getattr(w.nn, f"Adaptive{kind}Pool{len(place.shape) - 1}d")(1))
        return [pool] if place.layer.keepdims else [pool, w.nn.Flatten()]

    return write


def up_sampling(w: Writer, place: Place) -> list[Module]:
    """Return repeats of the nearest value."""
    return [w.first(w.nn.Upsample(scale_factor=tuple(float(n) for n in place.layer.size), mode="nearest"))]
