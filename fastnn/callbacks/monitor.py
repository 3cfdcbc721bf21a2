"""Which of two values of a loss or metric is the better one, for callbacks that watch one."""

from __future__ import annotations

import math
from typing import Any

from fastnn.callbacks.base import Logs
from fastnn.errors import InvalidValueError, unknown_name
from fastnn.optimizers.base import number

_GREATER = ("acc", "auc", "r2", "precision", "recall", "f1", "score")
"""Parts of names whose values are to be great, for mode "auto"; all others are to be small."""


class Monitor:
    """A name in the logs of an epoch and a direction.

    Parameters
    ----------
    name : str
    mode : "auto", "min" or "max"
        "auto" decides by the name: accuracies, AUC, R2 and scores are to be great, all else small.
    min_delta : float
        By how much a value must be better to count; its sign does not matter.
    """

    def __init__(self, name: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if not isinstance(name, str):
            raise InvalidValueError(f"monitor must be the name of a loss or metric, got {name!r}")
        if mode not in ("auto", "min", "max"):
            raise InvalidValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
        self.name = name
        plain = name.removeprefix("val_")
        self.mode = mode if mode != "auto" else "max" if any(part in plain for part in _GREATER) else "min"
        self.min_delta = abs(number("min_delta", min_delta))

    def check(self, params: dict[str, Any]) -> None:
        """Raise before the training if a validation value is asked for and there is no validation."""
        names = params.get("metrics", [])
        if self.name.startswith("val_") and not any(name.startswith("val_") for name in names):
            raise InvalidValueError(
                f"monitor={self.name!r} needs validation: pass validation_data or validation_split to fit, or monitor"
                f" one of {', '.join(names)}"
            )

    def value(self, logs: Logs | None) -> float:
        """Return the value in an epoch's logs.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        if logs is None or self.name not in logs:
            raise unknown_name("value to monitor", self.name, logs or {})
        return float(logs[self.name])

    def better(self, value: float, reference: float | None) -> bool:
        """Return whether a value beats the reference; NaN never does, and anything else beats None and NaN."""
        if math.isnan(value):
            return False
        if reference is None or math.isnan(reference):
            return True
        return value - self.min_delta > reference if self.mode == "max" else value + self.min_delta < reference
