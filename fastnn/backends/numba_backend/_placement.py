"""Where a plan's tensors lie in a block: how long each lives, and first fit among those whose lives overlap."""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.activations import is_from_output
from fastnn.backends.numba_backend._layout import ROW_ALIGNMENT
from fastnn.plan.plan import Op, Plan, Tensor

Rows = tuple[dict[int, tuple[int, int]], int]


def up(n: int, multiple: int) -> int:
    """Return ``n`` rounded up to a multiple."""
    return -(-n // multiple) * multiple


def taken_places(plan: Plan, ops: Sequence[Op]) -> dict[int, int]:
    """Return, for each tensor that can take another's place, that one: what is read last when the first is written.

    An activation's output may take its input's place, and the gradient of max pooling that of the cells.
    """
    places: dict[int, int] = {}
    ends = (plan.inputs.index, plan.outputs.index)
    for number, o in enumerate(ops):
        if o.kind == "activation_forward" and is_from_output(o.static["activation"]):
            z, a = o.operands["Z"], o.operands["A"]
            assert isinstance(z, Tensor) and isinstance(a, Tensor)
            if (
                z.index not in ends
                and z.index not in places
                and all(
                    p.kind == "activation_backward" and p.operands["A"] == a for p in _readers(ops[number + 1 :], z)
                )
            ):
                places[a.index] = z.index
        elif o.kind == "max_pooling_backward" and not o.static["windows"].overlap:
            a, da = o.operands["A"], o.operands["dA"]
            assert isinstance(a, Tensor) and isinstance(da, Tensor)
            place = places.get(a.index, a.index)
            there = [t for t in plan.tensors if places.get(t.index, t.index) == place]
            if place not in ends and da.index not in places and not any(_readers(ops[number + 1 :], t) for t in there):
                places[da.index] = place
    return places


def _readers(ops: Sequence[Op], x: Tensor) -> list[Op]:
    """Return the ops that have a tensor among their operands."""
    return [o for o in ops if any(isinstance(w, Tensor) and w.index == x.index for w in o.operands.values())]


def tensor_lives(plan: Plan, program: str, ops: Sequence[Op] | None) -> dict[int, tuple[int, int]]:
    """Return, for each tensor in use, the numbers of the first and the last op that touch it."""
    if ops is None:
        return {t.index: (0, 1) for t in plan.tensors if not t.of_minibatch}
    ends = [plan.inputs, plan.outputs]
    lives = {t.index: (-1, len(plan.forward)) for t in ends}
    for t in (plan.targets, plan.weights, plan.terms):
        if t is not None and program != "predict":
            lives[t.index] = (len(plan.forward) - 1, len(ops))
    for number, o in enumerate(ops):
        for what in o.operands.values():
            if isinstance(what, Tensor) and not what.of_minibatch:
                first, last = lives.get(what.index, (number, number))
                lives[what.index] = (min(first, number), max(last, number))
    return lives


def rows_of_tensors(tensors: Sequence[Tensor], lives: dict[int, tuple[int, int]], columns: int) -> Rows:
    """Return each living tensor's first row and column, and the number of rows: first fit, in the better of two orders.

    A column is a part of rows of ``BLOCK`` samples; a tensor lies in one of ``columns``, that where it starts first.
    """
    alive = [t for t in tensors if t.index in lives]
    by_life = sorted(alive, key=lambda t: lives[t.index][0])
    by_size = sorted(alive, key=lambda t: -t.rows)
    return min((_first_fit(order, lives, columns) for order in (by_life, by_size)), key=lambda found: found[1])


def _first_fit(tensors: Sequence[Tensor], lives: dict[int, tuple[int, int]], columns: int) -> Rows:
    starts: dict[int, tuple[int, int]] = {}
    rows = 0
    placed: list[list[tuple[int, int, int, int]]] = [[] for _ in range(columns)]  # (first row, rows, first op, last op)
    for tensor in tensors:
        first, last = lives[tensor.index]
        need = up(tensor.rows, ROW_ALIGNMENT)
        free: list[tuple[int, int]] = []
        for column in range(columns):
            start = 0
            for at, taken, begin, end in sorted(placed[column]):
                if begin > last or end < first:
                    continue
                if start + need <= at:
                    break
                start = max(start, at + taken)
            free.append((start, column))
        start, column = starts[tensor.index] = min(free)
        placed[column].append((start, need, first, last))
        rows = max(rows, start + need)
    return starts, rows
