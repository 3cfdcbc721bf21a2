"""Masks of sequences: which steps count, and how far that goes through a network.

A mask is a tensor with a row for each step, 1, or 0 where the step is to be passed over. ``PlanBuilder.masks`` holds
those that layers made, by the sequence that they belong to; here they are followed through the ops behind it, by Keras'
rules: through ops that leave steps apart; where branches are added, a step counts that counts in any branch, and there
is no mask where a branch has none. Everything else ends a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder

STEPWISE = {
    "activation_forward": "Z",
    "batch_normalization_forward": "A",
    "batch_normalization_inference": "A",
    "dense_forward": "A",
    "dropout_forward": "A",
    "gaussian_noise_forward": "A",
    "layer_normalization_forward": "A",
    "prelu_forward": "A",
}
"""Ops that leave steps apart where steps are the first axis, and the operand they read: a mask passes through them."""

OF_DATA = ("sequence_mask", "mask_either", "concatenate")
"""Ops whose masks depend on the samples alone, if what they read does."""


def step_mask(plan: PlanBuilder, x: Tensor) -> Tensor | None:
    """Return the mask of the steps of a sequence (steps, features), if one was made on the way to it."""
    if x.index in plan.masks:
        known = plan.masks[x.index]
        return known if len(x.shape) == 2 and known.rows == x.shape[0] else None
    if not plan.masks or (x.index, x.shape) in plan.unmasked:
        return None
    mask = _mask_from_maker(plan, x)
    if mask is None:
        plan.unmasked.add((x.index, x.shape))  # branches behind one another would be asked again and again
    else:
        plan.masks[x.index] = mask
    return mask


def _mask_from_maker(plan: PlanBuilder, x: Tensor) -> Tensor | None:
    """Return the mask that a sequence has from what it was made of."""
    maker = _maker(plan.forward, x)
    if maker is None or not (maker.kind == "add" or maker.kind in STEPWISE):
        return None
    names = ("A", "B") if maker.kind == "add" else (STEPWISE[maker.kind],)
    found = []
    for name in names:
        source = maker.operands[name]
        assert isinstance(source, Tensor)
        if len(source.shape) != 2 or source.shape[0] != x.shape[0]:
            return None
        found.append(step_mask(plan, source))
    return either_mask(plan, found)


def either_mask(plan: PlanBuilder, masks: Sequence[Tensor | None]) -> Tensor | None:
    """Return the mask of steps that count in any of several; None, all steps, if one of them is None."""
    first = masks[0]
    for other in masks[1:]:
        if first is None or other is None:
            return None
        if other.index != first.index:
            union = plan.tensor(first.shape, f"{first.name} or {other.name}")
            plan.emit("mask_either", None, ("K",), A=first, B=other, K=union)
            first = union
    return first


def ops_of_mask(forward: Sequence[Op], mask: Tensor) -> tuple[Op, ...] | None:
    """Return the ops that a mask comes from; None if it depends on more than the samples."""
    wanted, found = {mask.index}, []
    for op in reversed(forward):
        if any(isinstance(what := op.operands[name], Tensor) and what.index in wanted for name in op.writes):
            if op.kind not in OF_DATA:
                return None
            found.append(op)
            wanted |= {what.index for what in op.operands.values() if isinstance(what, Tensor)}
    return tuple(reversed(found))


def _maker(forward: Sequence[Op], x: Tensor) -> Op | None:
    """Return the op that writes a tensor."""
    for op in reversed(forward):
        if any(isinstance(what := op.operands[name], Tensor) and what.index == x.index for name in op.writes):
            return op
    return None
