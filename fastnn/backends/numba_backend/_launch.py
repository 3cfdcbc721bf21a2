"""When kernels may use threads: how many workers, and the lock that a parallel launch holds."""

from __future__ import annotations

import os
import threading

import numba

LAUNCH = threading.Lock()
"""Held during a parallel launch: the workqueue layer aborts the process on concurrent ones."""

_forked = False
"""GNU OpenMP kills a forked child at its first launch, so a child stays on its own thread."""


def _mark_forked() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_forked)


def workers() -> int:
    """Return how many threads a launch may use now; 1 in a forked child."""
    return 1 if _forked else int(numba.get_num_threads())
