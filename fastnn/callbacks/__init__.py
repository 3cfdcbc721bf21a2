"""Callbacks: one file each, with Keras' names, arguments and defaults.

``base.py`` says what a ``Callback`` is and what its hooks cost; ``runner.py`` calls them. To add one is to add a
file that registers its class, and a line below for its public name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.callbacks.base import CALLBACKS, Callback, Logs
from fastnn.callbacks.runner import CallbackList
from fastnn.lazy import lazy_names

if TYPE_CHECKING:
    from fastnn.callbacks.csv_logger import CSVLogger
    from fastnn.callbacks.early_stopping import EarlyStopping
    from fastnn.callbacks.exponential_moving_average import ExponentialMovingAverage
    from fastnn.callbacks.lambda_callback import LambdaCallback
    from fastnn.callbacks.learning_rate_scheduler import LearningRateScheduler
    from fastnn.callbacks.model_checkpoint import ModelCheckpoint
    from fastnn.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
    from fastnn.callbacks.stochastic_weight_averaging import StochasticWeightAveraging
    from fastnn.callbacks.tensorboard import TensorBoard
    from fastnn.callbacks.terminate_on_nan import TerminateOnNaN
    from fastnn.callbacks.timing import Timing

_HOMES = {
    "CSVLogger": "csv_logger",
    "EarlyStopping": "early_stopping",
    "ExponentialMovingAverage": "exponential_moving_average",
    "LambdaCallback": "lambda_callback",
    "LearningRateScheduler": "learning_rate_scheduler",
    "ModelCheckpoint": "model_checkpoint",
    "ReduceLROnPlateau": "reduce_lr_on_plateau",
    "StochasticWeightAveraging": "stochastic_weight_averaging",
    "TensorBoard": "tensorboard",
    "TerminateOnNaN": "terminate_on_nan",
    "Timing": "timing",
}
"""Public names and the modules that define them: imported when they are first used, as models have no need of them."""

__all__ = [
    "CALLBACKS",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "ExponentialMovingAverage",
    "LambdaCallback",
    "LearningRateScheduler",
    "Logs",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "StochasticWeightAveraging",
    "TensorBoard",
    "TerminateOnNaN",
    "Timing",
]

__getattr__, __dir__ = lazy_names(globals(), _HOMES)
