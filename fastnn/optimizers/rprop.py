r"""RPROP: resilient backpropagation, each weight with its own step that only the gradient's sign changes.

This is iRprop- [2, section 2.3] (also PyTorch's): no step is taken back. In this order, :math:`g'` being
the gradient kept from the step before (0 at first) and :math:`\Delta` the step:

.. math::

    \Delta &\leftarrow \min(\eta^+ \Delta, \Delta_{max}) \quad\text{if } g\,g' > 0 \\
    \Delta &\leftarrow \max(\eta^- \Delta, \Delta_{min}), \; g \leftarrow 0 \quad\text{if } g\,g' < 0 \\
    w &\leftarrow w - \operatorname{sign}(g) \Delta, \quad g' \leftarrow g

Signs are compared, not the product, which could underflow. For full batches only: on minibatches the signs
are noise.

[1] Riedmiller and Braun, A direct adaptive method for faster backpropagation learning: the RPROP algorithm,
IEEE International Conference on Neural Networks, 1993.
[2] Igel and Hüsken, Empirical evaluation of the improved Rprop learning algorithms, Neurocomputing 50 (2003).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.formulas.primitives import like, where
from fastnn.optimizers.base import (
    OPTIMIZERS,
    UPDATE_RULES,
    Floats,
    Optimizer,
    Schedule,
    UpdateRule,
    number,
    positive,
)


def update(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight, the kept gradient and the step after one step."""
    before, step = slots
    shrink, grow, smallest, largest = scalars
    zero = like(w, 0.0)
    same = ((g > zero) & (before > zero)) | ((g < zero) & (before < zero))
    turned = ((g > zero) & (before < zero)) | ((g < zero) & (before > zero))
    grown = grow * step
    grown = where(grown > largest, largest, grown)
    shrunk = shrink * step
    shrunk = where(shrunk < smallest, smallest, shrunk)
    step = where(same, grown, where(turned, shrunk, step))
    g = where(turned, zero, g)
    moved = where(g > zero, w - step, where(g < zero, w + step, w))
    return moved, (g, step)


RULE = UPDATE_RULES.register(
    "rprop", UpdateRule("rprop", (0.0, 0.01), update, ("shrink", "grow", "smallest", "largest"))
)


@dataclass
class RPROP(Optimizer):
    """Steps by the sign of the gradient alone, for full batches.

    Parameters
    ----------
    learning_rate : float, default 0.01
        The step that every weight starts with, above 0; a schedule makes no sense here and is refused.
    eta_minus, eta_plus : float, default 0.5 and 1.2
        Factors of the step when the sign turns and when it stays, ``0 < eta_minus < 1 < eta_plus``.
    step_min, step_max : float, default 1e-6 and 50
        Bounds of the step, ``0 < step_min <= step_max``.
    clipvalue, clipnorm, global_clipnorm : float, optional
        See ``Optimizer`` (only signs matter, so they change nothing). Weight decay is refused.
    """

    name = "rprop"

    learning_rate: float | Schedule = 0.01
    eta_minus: float = 0.5
    eta_plus: float = 1.2
    step_min: float = 1e-6
    step_max: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if callable(self.learning_rate):
            raise InvalidTypeError("RPROP's learning_rate is its first step, a number; got a schedule")
        self.learning_rate = positive("learning_rate", self.learning_rate)
        if self.weight_decay is not None:
            raise InvalidValueError(f"RPROP has no weight decay, got weight_decay={self.weight_decay!r}")
        self.eta_minus = number("eta_minus", self.eta_minus)
        self.eta_plus = number("eta_plus", self.eta_plus)
        if not 0 < self.eta_minus < 1 < self.eta_plus:
            raise InvalidValueError(
                "eta_minus and eta_plus must satisfy 0 < eta_minus < 1 < eta_plus, "
                f"got {self.eta_minus!r} and {self.eta_plus!r}"
            )
        self.step_min = positive("step_min", self.step_min)
        self.step_max = positive("step_max", self.step_max)
        if self.step_min > self.step_max:
            raise InvalidValueError(f"step_min must be at most step_max, got {self.step_min!r} and {self.step_max!r}")

    @property
    def rule(self) -> UpdateRule:
        """``rprop``, its steps starting from ``learning_rate``."""
        return replace(RULE, slots=(0.0, positive("learning_rate", self.learning_rate)))

    def _columns(self, steps: Floats, learning_rates: Floats) -> tuple[Floats | float, ...]:
        return (self.eta_minus, self.eta_plus, self.step_min, self.step_max)


OPTIMIZERS.register("rprop", RPROP)
