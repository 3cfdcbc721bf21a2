"""Workspaces that hold something before a program writes there: no result may depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from fastnn.backends.numba_backend import workspace

BYTES = (0x00, 0xFF)
"""Zeros, and bytes that make every float a NaN."""


@contextmanager
def workspaces_full_of(byte: int) -> Iterator[None]:
    """Let the Numba backend's workspaces be full of a byte when they are made."""
    allocate = workspace.aligned_zeros

    def full(elements: int, kind: Any) -> Any:
        buffer = allocate(elements, kind)
        buffer.view(np.uint8)[...] = byte
        return buffer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace, "aligned_zeros", full)
        yield
