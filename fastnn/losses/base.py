"""What a loss is: a formula for one output's term, its derivative, and how terms make a sample's loss.

A sample's loss is the sum of its terms over the outputs in ascending order, divided by their number if
``mean``. Value and derivative are straight-line formulas (see ``fastnn.formulas.primitives``) of the target
``y`` and the prediction ``p``, in one dtype. With an output activation named in ``fused``, terms are
computed from the pre-activation ``z`` instead, where they neither overflow nor cancel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.registry import Registry

Formula = Callable[..., Any]


@dataclass(frozen=True)
class Loss:
    """One loss function.

    Attributes
    ----------
    name : str
        The name that ``compile`` accepts.
    value, derivative : callable or None
        ``value(y, p)`` is one output's term, ``derivative(y, p)`` its derivative by ``p``; both take
        ``delta`` as a third argument when the loss has one. ``None`` for a loss over a whole sample.
    mean : bool
        Divide a sample's sum over outputs by their number.
    delta : float or None
        Default of the one shape parameter, ``None`` for losses without.
    labels : bool
        Targets are integer class labels; the engine expands them to one-hot rows before the formulas see
        them.
    from_logits : bool
        Predictions are pre-activations (any real number), not probabilities.
    fused : mapping
        By the name of an output activation: ``(value(y, z), derivative(y, z, a))``, the term and its
        derivative by the pre-activation ``z``, where ``a`` is the activation's output. A loss with
        ``delta`` has no entries.
    sample_wise : str or None
        The kernel that computes a whole sample's loss from the predictions (``"softmax_crossentropy"``).
    fused_sample_wise : mapping
        By the name of an output activation: the kernel that computes a whole sample's loss from the
        pre-activations.
    """

    name: str
    value: Formula | None
    derivative: Formula | None
    mean: bool = True
    delta: float | None = None
    labels: bool = False
    from_logits: bool = False
    fused: Mapping[str, tuple[Formula, Formula]] = field(default_factory=dict, hash=False)
    sample_wise: str | None = None
    fused_sample_wise: Mapping[str, str] = field(default_factory=dict, hash=False)

    def with_delta(self, delta: float) -> Loss:
        """Return the same loss with another shape parameter.

        Parameters
        ----------
        delta : float
            A positive finite number: the error at which ``huber`` turns from quadratic to linear.

        Raises
        ------
        InvalidValueError
            If the loss has no shape parameter, or ``delta`` is not positive and finite.
        """
        if self.delta is None:
            raise InvalidValueError(f"loss {self.name!r} has no delta; got delta={delta!r}")
        try:
            value = float(delta)
        except (TypeError, ValueError):
            raise InvalidTypeError(f"delta must be a number, got {delta!r}") from None
        if not (math.isfinite(value) and value > 0):
            raise InvalidValueError(f"delta must be positive and finite, got {delta!r}")
        return replace(self, delta=value)


LOSSES: Registry[Loss] = Registry("loss", "fastnn.losses")


def get(loss: str | Loss) -> Loss:
    """Return the loss that ``loss`` names.

    Parameters
    ----------
    loss : str or Loss
        A registered name, or a ``Loss`` (returned as it is).

    Raises
    ------
    UnknownNameError
        If no loss has that name.
    InvalidTypeError
        If it is something else.

    Examples
    --------
    >>> get("mse").name
    'mean_squared_error'
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        return LOSSES[loss]
    raise InvalidTypeError(f"a loss is a name or Loss(name, value, derivative), got {loss!r}")
