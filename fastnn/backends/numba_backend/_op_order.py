"""Which ops of a plan a program needs, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.backends.numba_backend import convolution, positions
from fastnn.plan.plan import Op, Plan, Tensor


def needed_forward(plan: Plan, later: Sequence[Op]) -> tuple[Op, ...]:
    """Return the forward ops without a last activation that nobody reads: many losses start from what it reads."""
    forward = plan.forward
    if forward and forward[-1].kind == "activation_forward":
        a = forward[-1].operands["A"]
        assert isinstance(a, Tensor)
        if not any(isinstance(what, Tensor) and what.index == a.index for o in later for what in o.operands.values()):
            forward = forward[:-1]
    return forward


def backward_order(plan: Plan, per: int) -> tuple[Op, ...]:
    """Return a plan's backward ops and gradients in the order in which they are recorded.

    What sums a gradient block by block stands as soon as it can, so that the memory of what it reads is used again.
    """
    order = list(plan.backward)
    for gradient in plan.gradients:
        after = len(order)
        if gradient.kind in convolution.LOWER_GRADIENTS or positions.is_summed_in_blocks(gradient, per):
            dz = gradient.operands["dZ"]
            assert isinstance(dz, Tensor)
            while after > 0 and not writes(order[after - 1], dz):
                after -= 1
        order.insert(after, gradient)
    return tuple(order)


def writes(o: Op, x: Tensor) -> bool:
    return any(isinstance(what := o.operands[name], Tensor) and what.index == x.index for name in o.writes)


def needs_all_samples(o: Op) -> bool:
    """Whether an op needs every sample before the next starts: it writes what there is one of for a minibatch."""
    return any(isinstance(what := o.operands[name], Tensor) and what.of_minibatch for name in o.writes)
