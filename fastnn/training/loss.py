"""From what users write in ``compile(loss=...)`` to a loss, and how losses are copied and pickled."""

from __future__ import annotations

import copyreg
from dataclasses import dataclass, field
from typing import Any

from fastnn import losses
from fastnn.losses import Loss
from fastnn.tracing import trace_loss


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A loss traced from a plain function.

    Attributes
    ----------
    function : callable or (callable, callable)
        What was traced: what a file names and a copy traces again.
    """

    function: Any = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return resolve_loss, (self.function,)


def resolve_loss(loss: Any) -> Loss:
    """Return the loss that a name, a ``Loss`` or a plain function of ``(y_true, y_pred)`` stands for.

    A function is traced into a formula that both backends run, and differentiated (see ``fastnn.tracing``).
    """
    if (callable(loss) and not isinstance(loss, Loss | type)) or isinstance(loss, tuple):
        traced = trace_loss(loss)
        function = loss[0] if isinstance(loss, tuple) else loss
        name = getattr(function, "__name__", type(function).__name__)
        return FunctionLoss(name, traced.value, traced.derivative, mean=traced.mean, function=loss)
    if isinstance(loss, type):
        loss = loss()
    return losses.get(loss)


def registered_loss(name: str, delta: float | None) -> Loss:
    """Return the loss registered under a name, with a shape parameter if it has one."""
    found = losses.get(name)
    return found if delta == found.delta else found.with_delta(delta)  # type: ignore[arg-type]


def is_registered(loss: Loss) -> bool:
    """Whether a loss is one of the registry's, perhaps with another shape parameter."""
    if loss.name not in losses.LOSSES or (loss.delta is None) != (losses.get(loss.name).delta is None):
        return False
    return registered_loss(loss.name, loss.delta) == loss


def _reduce(loss: Loss) -> str | tuple[Any, ...]:
    """Say how a loss is copied and pickled: a registered one by name, so that it stays the same object."""
    if is_registered(loss):
        return registered_loss, (loss.name, loss.delta)
    return object.__reduce_ex__(loss, 2)


copyreg.pickle(Loss, _reduce)
