"""Sets the learning rate before each epoch by a function of the epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from fastnn.callbacks.base import CALLBACKS, Callback, Logs
from fastnn.callbacks.rates import check_settable, current_rate
from fastnn.errors import InvalidTypeError
from fastnn.optimizers.base import non_negative


class LearningRateScheduler(Callback):
    """``learning_rate = schedule(epoch, learning_rate)`` before each epoch.

    The history gets ``learning_rate``. Rates that change with every step are the optimizer's: see
    ``fastnn.schedules``, whose objects are also accepted here, as functions of the epoch.

    Parameters
    ----------
    schedule : callable
        ``(epoch, learning_rate) -> learning_rate``, or of the epoch alone; epochs count over all calls of ``fit``.
        It has the bits of what it uses: ``math.exp`` differs between C libraries.
    verbose : int
        1 prints each rate.
    """

    name: ClassVar[str] = "learning_rate_scheduler"

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise InvalidTypeError(f"schedule must be a function of (epoch, learning_rate), got {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose
        try:
            inspect.signature(schedule).bind(0, 0.0)
            self._with_rate = True
        except TypeError:
            self._with_rate = False
        except ValueError:  # a function of C without a signature
            self._with_rate = True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Refuse an optimizer with a schedule of its own."""
        check_settable(self.model, "LearningRateScheduler")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the rate."""
        arguments = (epoch, current_rate(self.model)) if self._with_rate else (epoch,)
        rate = non_negative(f"the schedule's rate of epoch {epoch}", self.schedule(*arguments))
        self.model.optimizer.learning_rate = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {rate:.6g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add the rate to the history."""
        if logs is not None:
            logs["learning_rate"] = current_rate(self.model)

    def state(self) -> dict[str, Any]:
        """Return the rate, which the next one may be made of."""
        return {"learning_rate": current_rate(self.model)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Set it."""
        self.model.optimizer.learning_rate = float(state["learning_rate"])


CALLBACKS.register(LearningRateScheduler.name, LearningRateScheduler)
