"""The fast backend: kernels compiled by Numba, the same bits as ``numpy_backend``."""

from __future__ import annotations

from fastnn.backends.numba_backend import random
from fastnn.backends.numba_backend.executor import NumbaExecutor as executor

__all__ = ["executor", "random"]
