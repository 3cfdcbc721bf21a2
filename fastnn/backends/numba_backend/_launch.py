"""When kernels may use threads: how many workers, and the lock that a parallel launch holds."""

from __future__ import annotations

import os
import sys
import threading

from fastnn.backends.numba_backend._processor import setting

LAUNCH = threading.Lock()
"""Held during a parallel launch: the workqueue layer aborts the process on concurrent ones."""

_forked = False
"""GNU OpenMP kills a forked child at its first launch, so a child stays on its own thread."""


def _mark_forked() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_forked)


def most() -> int:
    """Return how many threads there are at most, as Numba counts them."""
    said = setting("NUMBA_NUM_THREADS") if "numba" in sys.modules else setting("NUM_THREADS")
    if said is not None:
        return int(said)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


_MOST: int | None = None


def workers() -> int:
    """Return how many threads a launch may use now; 1 in a forked child."""
    global _MOST
    if _forked:
        return 1
    chosen = getattr(sys.modules.get("numba"), "get_num_threads", None)
    if chosen is not None:
        return int(chosen())
    if _MOST is None:
        _MOST = most()
    return _MOST
