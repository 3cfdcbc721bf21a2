r"""Adagrad: each weight's step divided by the root of the sum of all its squared gradients.

In this order:

.. math::

    w &\leftarrow (1 - \eta\lambda)\,w \\
    v &\leftarrow v + g^2 \\
    w &\leftarrow w - \eta g / \sqrt{v + \epsilon}

The sum starts from 0.1 and epsilon stands inside the root, as in Keras; PyTorch starts from 0 and adds
epsilon to the root. Source: Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and
stochastic optimization, JMLR 12 (2011), figure 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastnn.formulas.primitives import sqrt
from fastnn.optimizers.base import (
    OPTIMIZERS,
    UPDATE_RULES,
    Floats,
    Optimizer,
    Schedule,
    UpdateRule,
    non_negative,
    positive,
)


def update(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight and the sum of squares after one step."""
    (v,) = slots
    keep, rate, epsilon = scalars
    v = v + g * g
    return keep * w - rate * g / sqrt(v + epsilon), (v,)


ADAGRAD = UPDATE_RULES.register("adagrad", UpdateRule("adagrad", (0.1,), update, ("keep", "rate", "epsilon")))


@dataclass
class Adagrad(Optimizer):
    """Steps scaled by the root of the accumulated squared gradients.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
    initial_accumulator_value : float, default 0.1
        What the sum of squares starts from, at least 0.
    epsilon : float, default 1e-7
        Added to the sum, above 0.
    weight_decay, clipvalue, clipnorm, global_clipnorm : float, optional
        See ``Optimizer``.
    """

    name = "adagrad"

    learning_rate: float | Schedule = 0.001
    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        start = non_negative("initial_accumulator_value", self.initial_accumulator_value)
        self.initial_accumulator_value = start
        self.epsilon = positive("epsilon", self.epsilon)

    @property
    def rule(self) -> UpdateRule:
        """``adagrad``, its slot starting from ``initial_accumulator_value``."""
        return replace(ADAGRAD, slots=(self.initial_accumulator_value,))

    def _columns(self, steps: Floats, learning_rates: Floats) -> tuple[Floats | float, ...]:
        return (self._keep(learning_rates), learning_rates, self.epsilon)


OPTIMIZERS.register("adagrad", Adagrad)
