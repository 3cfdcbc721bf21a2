"""The geometry of a convolution: which output reads which cell of an image through which tap of the kernel.

An image has a grid of (height, width) cells, a sequence one of (1, steps). Output place p reads, through tap r along an
axis, cell ``p * stride + r * dilation - before``, where it exists: taps that fall into the padding are skipped. A
transposed convolution has the same geometry read the other way: its input are the places, its output the cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.plan.windows import Pair, places_along, reach


@dataclass(frozen=True)
class Convolution:
    """A kernel that moves over a grid of cells; axes are (rows, columns).

    Attributes
    ----------
    cells : tuple of int
        (H, W).
    channels : int
        C, of a cell.
    places : tuple of int
        (P, Q).
    filters : int
        M, channels of a place.
    size : tuple of int
        (R, S), taps of the kernel.
    strides, dilation : tuple of int
        From place to place, from tap to tap.
    before : tuple of int
        Padding in front of the first row and of the first column.
    groups : int
        G: the channels and the filters fall into G equal parts that have nothing to do with one another.
    """

    cells: Pair
    channels: int
    places: Pair
    filters: int
    size: Pair
    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    before: Pair = (0, 0)
    groups: int = 1

    def reach(self, axis: int, tap: int) -> tuple[slice, slice]:
        """Return, along an axis, the places whose cell through ``tap`` exists, and these cells."""
        shift = tap * self.dilation[axis] - self.before[axis]
        return reach(self.places[axis], self.cells[axis], self.strides[axis], shift)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the weights: (M, C / G, R, S)."""
        return (self.filters, self.channels // self.groups, *self.size)

    def links(self, axis: int) -> int:
        """Return how many pairs of a place and a cell there are along an axis."""
        count = 0
        for tap in range(self.size[axis]):
            places, _ = self.reach(axis, tap)
            count += places.stop - places.start
        return count

    @property
    def flops(self) -> float:
        """Multiplications and additions of a sample."""
        return 2.0 * self.links(0) * self.links(1) * self.filters * (self.channels // self.groups)


def out_places(cells: int, size: int, stride: int, dilation: int, padding: str) -> Pair:
    """Return (number of places along an axis, padding in front of it).

    Parameters
    ----------
    cells, size, stride, dilation : int
    padding : str
        "valid" or "same", as in ``places_along``; "causal": a place reads no cell behind its own.
    """
    whole = (size - 1) * dilation + 1
    if padding == "causal":
        return (cells - 1) // stride + 1, whole - 1
    return places_along(cells, whole, stride, padding)


def out_cells(places: int, size: int, stride: int, dilation: int, padding: str, more: int | None) -> Pair:
    """Return (number of cells along an axis that a transposed convolution writes, padding in front of it).

    Parameters
    ----------
    places, size, stride, dilation : int
    padding : str
        "valid" or "same".
    more : int or None
        ``output_padding``; None for ``places * stride`` cells ("same") or that and ``max(kernel - stride, 0)``.
    """
    kernel = (size - 1) * dilation + 1
    whole = (places - 1) * stride + kernel
    if padding == "valid":
        return (places * stride + max(kernel - stride, 0) if more is None else whole + more), 0
    cells = places * stride if more is None else whole - 2 * (kernel // 2) + more
    return cells, max(0, whole - cells) // 2


def linked(geometry: Convolution, axis: int, to_cells: bool) -> list[tuple[int, int, list[Pair]]]:
    """Return, for each target along an axis, (target, base, [(tap, source - base), ...]) by ascending tap.

    Parameters
    ----------
    geometry : Convolution
    axis : int
    to_cells : bool
        Whether the targets are cells and the sources places, or the other way round.
    """
    stride, before = geometry.strides[axis], geometry.before[axis]
    count = geometry.cells[axis] if to_cells else geometry.places[axis]
    bases = [(t + before) // stride if to_cells else t * stride - before for t in range(count)]
    found: list[list[Pair]] = [[] for _ in range(count)]
    for tap in range(geometry.size[axis]):
        places, cells = (np.arange(s.start, s.stop, s.step) for s in geometry.reach(axis, tap))
        targets, sources = (cells, places) if to_cells else (places, cells)
        for target, source in zip(targets.tolist(), sources.tolist(), strict=True):
            found[target].append((tap, source - bases[target]))
    return [(t, bases[t], found[t]) for t in range(count)]


def classes(geometry: Convolution, axis: int, to_cells: bool) -> list[tuple[Any, Any, list[Pair]]]:
    """Return the targets along an axis by the taps that reach them: (targets, bases, [(tap, source - base), ...])."""
    groups: dict[tuple[Pair, ...], list[Pair]] = {}
    for target, base, taps in linked(geometry, axis, to_cells):
        groups.setdefault(tuple(taps), []).append((target, base))
    return [
        (np.array([t for t, _ in members]), np.array([b for _, b in members]), list(taps))
        for taps, members in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
