"""The reference backend: NumPy, written to be read; the definition of every bit."""

from __future__ import annotations

from fastnn.backends.numpy_backend import random
from fastnn.backends.numpy_backend.executor import NumpyExecutor as executor

__all__ = ["executor", "random"]
