"""The learning rate of a model in training, for callbacks that read or set it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError


def current_rate(model: Any) -> float:
    """Return the rate of the model's next step, from the number or the schedule."""
    return float(model.optimizer.learning_rates(np.array([model.iterations + 1]))[0])


def check_settable(model: Any, who: str) -> None:
    """Raise if the optimizer's rate is a schedule: setting a number would end it."""
    if callable(model.optimizer.learning_rate):
        raise InvalidTypeError(
            f"{who} sets the learning rate, but the optimizer follows {model.optimizer.learning_rate!r};"
            " give the optimizer a number"
        )
