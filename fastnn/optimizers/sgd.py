r"""Stochastic gradient descent, plain, with momentum, or with Nesterov's momentum.

In this order, :math:`\eta` the rate, :math:`\mu` the momentum (:math:`\lambda` the weight decay, usually 0):

.. math::

    w &\leftarrow (1 - \eta\lambda)\,w \\
    \text{plain:}\quad w &\leftarrow w - \eta g \\
    \text{momentum:}\quad v &\leftarrow \mu v - \eta g, \quad w \leftarrow w + v \\
    \text{Nesterov:}\quad v &\leftarrow \mu v - \eta g, \quad w \leftarrow (w + \mu v) - \eta g

As in Keras, the rate is part of the velocity; PyTorch keeps :math:`v \leftarrow \mu v + g` and multiplies
by the rate after, which differs once the rate changes. Sources: Polyak, Some methods of speeding up the
convergence of iteration methods, 1964; Sutskever, Martens, Dahl and Hinton, On the importance of
initialization and momentum in deep learning, ICML 2013, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn.errors import InvalidTypeError
from fastnn.optimizers.base import (
    OPTIMIZERS,
    UPDATE_RULES,
    Floats,
    Optimizer,
    Schedule,
    UpdateRule,
    fraction,
)


def update_plain(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight one step down the gradient."""
    keep, rate = scalars
    return keep * w - rate * g, slots


def update_momentum(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight and the velocity after one step."""
    (velocity,) = slots
    keep, rate, momentum = scalars
    velocity = momentum * velocity - rate * g
    return keep * w + velocity, (velocity,)


def update_nesterov(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight and the velocity after one step, the velocity looked ahead."""
    (velocity,) = slots
    keep, rate, momentum = scalars
    step = rate * g
    velocity = momentum * velocity - step
    return keep * w + momentum * velocity - step, (velocity,)


PLAIN = UPDATE_RULES.register("sgd", UpdateRule("sgd", (), update_plain, ("keep", "rate")))
MOMENTUM = UPDATE_RULES.register(
    "sgd_momentum", UpdateRule("sgd_momentum", (0.0,), update_momentum, ("keep", "rate", "momentum"))
)
NESTEROV = UPDATE_RULES.register(
    "sgd_nesterov", UpdateRule("sgd_nesterov", (0.0,), update_nesterov, ("keep", "rate", "momentum"))
)


@dataclass
class SGD(Optimizer):
    """Gradient descent: ``w - learning_rate * g``, with momentum if it is above 0.

    Parameters
    ----------
    learning_rate : float or callable, default 0.01
    momentum : float, default 0
        In [0, 1).
    nesterov : bool, default False
        Take the gradient's step from where the momentum leads (no effect without momentum).
    weight_decay, clipvalue, clipnorm, global_clipnorm : float, optional
        See ``Optimizer``.

    Examples
    --------
    >>> SGD(0.1, momentum=0.9, nesterov=True).rule.name
    'sgd_nesterov'
    """

    name = "sgd"

    learning_rate: float | Schedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = fraction("momentum", self.momentum)
        if not isinstance(self.nesterov, bool):
            raise InvalidTypeError(f"nesterov must be True or False, got {self.nesterov!r}")

    @property
    def rule(self) -> UpdateRule:
        """``sgd``, ``sgd_momentum`` or ``sgd_nesterov``."""
        if self.momentum == 0:
            return PLAIN
        return NESTEROV if self.nesterov else MOMENTUM

    def _columns(self, steps: Floats, learning_rates: Floats) -> tuple[Floats | float, ...]:
        plain = (self._keep(learning_rates), learning_rates)
        return plain if self.momentum == 0 else (*plain, self.momentum)


OPTIMIZERS.register("sgd", SGD)
