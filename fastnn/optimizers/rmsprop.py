r"""RMSprop: each weight's step divided by the root of a running mean of its squared gradients.

In this order, with :math:`\rho` the decay of the means (m only if centered, b only with momentum):

.. math::

    w &\leftarrow (1 - \eta\lambda)\,w \\
    v &\leftarrow v + (g^2 - v)(1 - \rho) \\
    m &\leftarrow m + (g - m)(1 - \rho) \\
    s &\leftarrow \eta g / \sqrt{v + \epsilon} \quad\text{(centered: } \sqrt{(v - m^2) + \epsilon}\text{)} \\
    b &\leftarrow \mu b + s, \quad w \leftarrow w - b

Epsilon stands inside the root, as in Keras; PyTorch adds it to the root, so equal numbers mean different
damping. A variance v - m**2 that rounding makes negative counts as 0. Source: Tieleman and Hinton, Lecture
6.5, COURSERA: Neural networks for machine learning, 2012; centered: Graves, arXiv:1308.0850, section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn.errors import InvalidTypeError
from fastnn.formulas.primitives import like, sqrt, where
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


def update_plain(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight and the mean square after one step."""
    (v,) = slots
    keep, rate, decay, epsilon = scalars
    v = v + (g * g - v) * decay
    return keep * w - rate * g / sqrt(v + epsilon), (v,)


def update_momentum(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight, the mean square and the velocity after one step."""
    v, velocity = slots
    keep, rate, decay, epsilon, momentum = scalars
    v = v + (g * g - v) * decay
    velocity = momentum * velocity + rate * g / sqrt(v + epsilon)
    return keep * w - velocity, (v, velocity)


def update_centered(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight, the mean square, the velocity and the mean after one step."""
    v, velocity, m = slots
    keep, rate, decay, epsilon, momentum = scalars
    v = v + (g * g - v) * decay
    m = m + (g - m) * decay
    variance = v - m * m
    variance = where(variance < like(w, 0.0), like(w, 0.0), variance)
    velocity = momentum * velocity + rate * g / sqrt(variance + epsilon)
    return keep * w - velocity, (v, velocity, m)


NAMES = ("keep", "rate", "decay", "epsilon")
PLAIN = UPDATE_RULES.register("rmsprop", UpdateRule("rmsprop", (0.0,), update_plain, NAMES))
MOMENTUM = UPDATE_RULES.register(
    "rmsprop_momentum", UpdateRule("rmsprop_momentum", (0.0, 0.0), update_momentum, (*NAMES, "momentum"))
)
CENTERED = UPDATE_RULES.register(
    "rmsprop_centered", UpdateRule("rmsprop_centered", (0.0, 0.0, 0.0), update_centered, (*NAMES, "momentum"))
)


@dataclass
class RMSprop(Optimizer):
    """Steps scaled by a running root mean square of the gradient.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
    rho : float, default 0.9
        Decay of the running means, in [0, 1).
    momentum : float, default 0
        In [0, 1).
    epsilon : float, default 1e-7
        Added to the mean square, above 0.
    centered : bool, default False
        Divide by the running standard deviation instead of the root mean square.
    weight_decay, clipvalue, clipnorm, global_clipnorm : float, optional
        See ``Optimizer``.
    """

    name = "rmsprop"

    learning_rate: float | Schedule = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rho = fraction("rho", self.rho)
        self.momentum = fraction("momentum", self.momentum)
        self.epsilon = positive("epsilon", self.epsilon)
        if not isinstance(self.centered, bool):
            raise InvalidTypeError(f"centered must be True or False, got {self.centered!r}")

    @property
    def rule(self) -> UpdateRule:
        """``rmsprop``, ``rmsprop_momentum`` or ``rmsprop_centered``."""
        if self.centered:
            return CENTERED
        return PLAIN if self.momentum == 0 else MOMENTUM

    def _columns(self, steps: Floats, learning_rates: Floats) -> tuple[Floats | float, ...]:
        plain = (self._keep(learning_rates), learning_rates, 1.0 - self.rho, self.epsilon)
        return plain if self.rule is PLAIN else (*plain, self.momentum)


OPTIMIZERS.register("rmsprop", RMSprop)
