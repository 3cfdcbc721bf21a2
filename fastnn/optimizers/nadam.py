r"""Nadam: Adam with Nesterov's momentum, on a momentum schedule that warms up.

In this order, t the number of the step, from 1, and :math:`\mu_t = \beta_1 (1 - 0.5 \cdot 0.96^t)`:

.. math::

    c_m &= \eta \mu_{t+1} / (1 - \textstyle\prod_{i=1}^{t+1} \mu_i), \quad
    c_g = \eta (1 - \mu_t) / (1 - \textstyle\prod_{i=1}^{t} \mu_i), \quad
    r = 1 / \sqrt{1 - \beta_2^t} \\
    w &\leftarrow (1 - \eta\lambda)\,w \\
    m &\leftarrow m + (g - m)(1 - \beta_1) \\
    v &\leftarrow v + (g^2 - v)(1 - \beta_2) \\
    w &\leftarrow w - (c_m m + c_g g) / (r \sqrt{v} + \epsilon)

Here, as in Keras and PyTorch, epsilon is added after the bias correction (unlike our Adam). PyTorch's
schedule has the exponent 0.004 t. Source: Dozat, Incorporating Nesterov momentum into Adam, ICLR 2016
workshop, algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
from fastnn.optimizers.powers import powers

# Below this, 1 minus the product of momenta is exactly 1, so the product may as well be 0.
NEGLIGIBLE = 2.0**-64


def update(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight and both moments after one step."""
    m, v = slots
    keep, rate_m, rate_g, decay_1, decay_2, correction, epsilon = scalars
    m = m + (g - m) * decay_1
    v = v + (g * g - v) * decay_2
    return keep * w - (rate_m * m + rate_g * g) / (correction * sqrt(v) + epsilon), (m, v)


NADAM = UPDATE_RULES.register(
    "nadam",
    UpdateRule(
        "nadam",
        (0.0, 0.0),
        update,
        ("keep", "rate_m", "rate_g", "decay_1", "decay_2", "correction", "epsilon"),
    ),
)


@dataclass
class Nadam(Optimizer):
    """Adam whose momentum looks one step ahead.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the mean and of the mean square, in [0, 1).
    epsilon : float, default 1e-7
        Added to the corrected root of the mean square, above 0.
    weight_decay, clipvalue, clipnorm, global_clipnorm : float, optional
        See ``Optimizer``.
    """

    name = "nadam"

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    _products: tuple[float, Floats] = field(default=(-1.0, np.ones(1)), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.beta_1 = fraction("beta_1", self.beta_1)
        self.beta_2 = fraction("beta_2", self.beta_2)
        self.epsilon = positive("epsilon", self.epsilon)

    @property
    def rule(self) -> UpdateRule:
        """``nadam``."""
        return NADAM

    def _momentum(self, steps: Floats) -> Floats:
        half_decayed: Floats = 0.5 * powers((0.96,), steps)[0]
        return self.beta_1 * (1.0 - half_decayed)

    def _product(self, steps: Floats) -> Floats:
        """Return the product of the momenta 1 to t for each t, multiplied in order; 0 once negligible.

        The products are kept between calls, up to the first negligible one, so a long training does not
        multiply its whole past again and again.
        """
        beta, table = self._products
        if beta != self.beta_1:
            table = np.ones(1)
        last = int(steps.max(initial=0.0))
        while table.size <= last and table[-1] > NEGLIGIBLE:
            coming = self._momentum(np.arange(table.size, table.size + 1024, dtype=np.float64))
            table = np.concatenate([table, np.multiply.accumulate(np.concatenate([table[-1:], coming]))[1:]])
        self._products = (self.beta_1, table)
        index = steps.astype(np.int64)
        inside = index < table.size
        return np.where(inside, table[np.where(inside, index, 0)], 0.0)

    def _columns(self, steps: Floats, learning_rates: Floats) -> tuple[Floats | float, ...]:
        rate_m = learning_rates * self._momentum(steps + 1.0) / (1.0 - self._product(steps + 1.0))
        rate_g = learning_rates * (1.0 - self._momentum(steps)) / (1.0 - self._product(steps))
        correction = 1.0 / np.sqrt(1.0 - powers((self.beta_2,), steps)[0])
        return (
            self._keep(learning_rates),
            rate_m,
            rate_g,
            1.0 - self.beta_1,
            1.0 - self.beta_2,
            correction,
            self.epsilon,
        )


OPTIMIZERS.register("nadam", Nadam)
