r"""Adadelta: the ratio of two running root mean squares, of past steps and of gradients, sets the step.

In this order:

.. math::

    w &\leftarrow (1 - \eta\lambda)\,w \\
    v &\leftarrow v + (g^2 - v)(1 - \rho) \\
    s &\leftarrow \sqrt{(u + \epsilon) / (v + \epsilon)}\; g \\
    u &\leftarrow u + (s^2 - u)(1 - \rho) \\
    w &\leftarrow w - \eta s

The paper has no rate (:math:`\eta = 1`, also PyTorch's default); Keras' default is 0.001, kept here.
Source: Zeiler, ADADELTA: an adaptive learning rate method, arXiv:1212.5701, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn.formulas.primitives import sqrt
from fastnn.optimizers.base import (
    OPTIMIZERS,
    UPDATE_RULES,
    Floats,
    Optimizer,
    Schedule,
    UpdateRule,
    fraction,
    positive,
)


def update(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight and both mean squares after one step."""
    v, u = slots
    keep, rate, decay, epsilon = scalars
    v = v + (g * g - v) * decay
    step = sqrt((u + epsilon) / (v + epsilon)) * g
    u = u + (step * step - u) * decay
    return keep * w - rate * step, (v, u)


ADADELTA = UPDATE_RULES.register(
    "adadelta", UpdateRule("adadelta", (0.0, 0.0), update, ("keep", "rate", "decay", "epsilon"))
)


@dataclass
class Adadelta(Optimizer):
    """Steps in the units of the weights, without a rate to tune (set it to 1 for the paper's method).

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
    rho : float, default 0.95
        Decay of both running means, in [0, 1).
    epsilon : float, default 1e-7
        Added to both mean squares, above 0.
    weight_decay, clipvalue, clipnorm, global_clipnorm : float, optional
        See ``Optimizer``.
    """

    name = "adadelta"

    learning_rate: float | Schedule = 0.001
    rho: float = 0.95
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rho = fraction("rho", self.rho)
        self.epsilon = positive("epsilon", self.epsilon)

    @property
    def rule(self) -> UpdateRule:
        """``adadelta``."""
        return ADADELTA

    def _columns(self, steps: Floats, learning_rates: Floats) -> tuple[Floats | float, ...]:
        return (self._keep(learning_rates), learning_rates, 1.0 - self.rho, self.epsilon)


OPTIMIZERS.register("adadelta", Adadelta)
