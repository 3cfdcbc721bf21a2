"""Callbacks: one file each, with Keras' names, arguments and defaults.

``base.py`` says what a ``Callback`` is and what its hooks cost; ``runner.py`` calls them. To add one is to add a
file that registers its class, and a line below for its public name.
"""

from __future__ import annotations

from fastnn.callbacks.base import CALLBACKS, Callback, Logs
from fastnn.callbacks.lambda_callback import LambdaCallback
from fastnn.callbacks.runner import CallbackList

__all__ = ["CALLBACKS", "Callback", "CallbackList", "LambdaCallback", "Logs"]
