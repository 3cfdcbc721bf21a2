r"""Adam, its AMSGrad variant, and AdamW, which is Adam with decoupled weight decay on by default.

In this order, t the number of the step, from 1:

.. math::

    \alpha &= \eta \sqrt{1 - \beta_2^t} / (1 - \beta_1^t) \\
    w &\leftarrow (1 - \eta\lambda)\,w \\
    m &\leftarrow m + (g - m)(1 - \beta_1) \\
    v &\leftarrow v + (g^2 - v)(1 - \beta_2) \\
    u &\leftarrow \max(u, v) \quad\text{(AMSGrad; else } u = v\text{)} \\
    w &\leftarrow w - \alpha m / (\sqrt{u} + \epsilon)

This is the paper's faster form [1, end of section 2], as in Keras: epsilon is its "epsilon hat" and is not
scaled by the bias correction. PyTorch divides :math:`\sqrt{v}` by :math:`\sqrt{1 - \beta_2^t}` first and
defaults to 1e-8, so early steps differ slightly.

[1] Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015.
[2] Reddi, Kale and Kumar, On the convergence of Adam and beyond, ICLR 2018, algorithm 2.
[3] Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

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
from fastnn.optimizers.powers import powers

NEGLIGIBLE = 1e-36
"""Mean gradients below it count as 0.

Where gradients are 0 for long, behind a unit that has died, the mean halves every seven steps until rounding keeps it
at some subnormal number for good; each operation on one takes a hundred cycles. A weight that such a mean moves changes
by less than 1e-28: 235 of 4810 means took a third of the time of a step.
"""


def update(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight and both moments after one step."""
    m, v = slots
    keep, rate, decay_1, decay_2, epsilon = scalars
    m = m + (g - m) * decay_1
    m = where(abs(m) < like(m, NEGLIGIBLE), like(m, 0.0), m)
    v = v + (g * g - v) * decay_2
    return keep * w - rate * m / (sqrt(v) + epsilon), (m, v)


def update_amsgrad(w: Any, g: Any, slots: Any, scalars: Any) -> Any:
    """Return the weight, both moments and the largest second moment after one step."""
    m, v, largest = slots
    keep, rate, decay_1, decay_2, epsilon = scalars
    m = m + (g - m) * decay_1
    m = where(abs(m) < like(m, NEGLIGIBLE), like(m, 0.0), m)
    v = v + (g * g - v) * decay_2
    largest = where(largest > v, largest, v)
    return keep * w - rate * m / (sqrt(largest) + epsilon), (m, v, largest)


NAMES = ("keep", "rate", "decay_1", "decay_2", "epsilon")
ADAM = UPDATE_RULES.register("adam", UpdateRule("adam", (0.0, 0.0), update, NAMES))
AMSGRAD = UPDATE_RULES.register("adam_amsgrad", UpdateRule("adam_amsgrad", (0.0, 0.0, 0.0), update_amsgrad, NAMES))


@dataclass
class Adam(Optimizer):
    """Steps by running means of the gradient and of its square, corrected for their start at 0.

    Parameters
    ----------
    learning_rate : float or callable, default 0.001
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay of the mean and of the mean square, in [0, 1).
    epsilon : float, default 1e-7
        Added to the root of the mean square, above 0.
    amsgrad : bool, default False
        Divide by the largest mean square so far.
    weight_decay, clipvalue, clipnorm, global_clipnorm : float, optional
        See ``Optimizer``.
    """

    name = "adam"

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.beta_1 = fraction("beta_1", self.beta_1)
        self.beta_2 = fraction("beta_2", self.beta_2)
        self.epsilon = positive("epsilon", self.epsilon)
        if not isinstance(self.amsgrad, bool):
            raise InvalidTypeError(f"amsgrad must be True or False, got {self.amsgrad!r}")

    @property
    def rule(self) -> UpdateRule:
        """``adam`` or ``adam_amsgrad``."""
        return AMSGRAD if self.amsgrad else ADAM

    def _columns(self, steps: Floats, learning_rates: Floats) -> tuple[Floats | float, ...]:
        correction_1, correction_2 = 1.0 - powers((self.beta_1, self.beta_2), steps)
        rate = learning_rates * np.sqrt(correction_2) / correction_1
        return (self._keep(learning_rates), rate, 1.0 - self.beta_1, 1.0 - self.beta_2, self.epsilon)


@dataclass
class AdamW(Adam):
    """Adam with decoupled weight decay: ``Adam(weight_decay=0.004)``.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon, amsgrad, clipvalue, clipnorm, global_clipnorm
        As for ``Adam``.
    weight_decay : float, default 0.004
        As in Keras; PyTorch has 0.01.
    """

    name = "adamw"

    _: KW_ONLY
    weight_decay: float | None = 0.004


OPTIMIZERS.register("adam", Adam)
OPTIMIZERS.register("adamw", AdamW)
