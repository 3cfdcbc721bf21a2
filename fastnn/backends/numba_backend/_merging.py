"""Pairs of ops that become one, so that a block's rows pass through the cache once less; the bits stay.

- A rectifier behind a convolution: the tile rectifies its sums, and writes only the result.
- A rectifier's gradient behind that of max pooling without overlap: gradients are multiplied before they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fastnn.activations import ACTIVATIONS
from fastnn.plan.plan import Op, Plan, Tensor

Ops = tuple[Op, ...]


def merged(plan: Plan, parts: Sequence[Ops]) -> list[Ops]:
    """Return the parts of a program, in which all of its ops stand, with pairs of ops made one.

    An op that also rectifies has ``rectified`` among what is static.
    """
    ops = [o for part in parts for o in part]
    ends = [len(part) for part in parts]
    for number, o in enumerate(ops):
        following = ops[number + 1] if number + 1 < len(ops) else None
        if following is not None and (merge := _MERGES.get((o.kind, following.kind))) is not None:
            merge(plan, ops, number)
    found, first = [], 0
    for count in ends:
        found.append(tuple(o for o in ops[first : first + count] if o.kind != _GONE))
        first += count
    return found


_GONE = "gone"


def _is_rectifier(o: Op) -> bool:
    return o.static["activation"] is ACTIVATIONS["relu"]


def _is(x: Any, y: Any) -> bool:
    """Whether two operands are the same tensor."""
    return isinstance(x, Tensor) and isinstance(y, Tensor) and x.index == y.index


def _rectified(o: Op, **operands: Any) -> Op:
    return replace(o, operands={**o.operands, **operands}, static={**o.static, "rectified": True})


def _into_sums(plan: Plan, ops: list[Op], number: int) -> None:
    """Merge a rectifier into the convolution before it, if only the rectifier and its gradient read the sums."""
    o, after = ops[number], ops[number + 1]
    z, a = o.operands["Z"], after.operands["A"]
    if not _is_rectifier(after) or not _is(after.operands["Z"], z) or _is(z, plan.outputs):
        return
    all_readers = [k for k, p in enumerate(ops) if any(_is(x, z) for x in p.operands.values())]
    readers = [k for k in all_readers if k not in (number, number + 1)]
    if all(ops[k].kind == "activation_backward" and _is(ops[k].operands["A"], a) for k in readers):
        ops[number], ops[number + 1] = _rectified(o, Z=a), Op(_GONE, {})
        for k in readers:  # the derivative can be had from the output
            ops[k] = replace(ops[k], operands={**ops[k].operands, "Z": a})


def _into_winners(plan: Plan, ops: list[Op], number: int) -> None:
    """Merge a rectifier's gradient into that of the max pooling which reads the rectifier's output."""
    o, after = ops[number], ops[number + 1]
    da = o.operands["dA"]
    if (
        _is_rectifier(after)
        and not o.static["windows"].overlap
        and _is(after.operands["A"], o.operands["A"])
        and _is(after.operands["dA"], da)
        and _is(after.operands["dZ"], da)
    ):
        ops[number], ops[number + 1] = _rectified(o), Op(_GONE, {})


_MERGES: dict[tuple[str, str], Callable[[Plan, list[Op], int], None]] = {
    ("convolution_forward", "activation_forward"): _into_sums,
    ("transposed_convolution_forward", "activation_forward"): _into_sums,
    ("max_pooling_backward", "activation_backward"): _into_winners,
}
