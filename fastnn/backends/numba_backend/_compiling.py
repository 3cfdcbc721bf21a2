"""Ctrl-C while Numba compiles takes effect when the function at hand is compiled, some tenths of a second later.

A KeyboardInterrupt inside LLVM's callbacks into Python is printed and lost: one in six of those tried on a first
training, which then went on for good. Numba's lock of the compiler tells when a compilation begins and ends.
"""

from __future__ import annotations

import threading
from typing import Any

from numba.core import event

from fastnn.interrupt import Interrupt


class _Holder(event.Listener):  # type: ignore[misc]
    """Holds SIGINT back from the first to the last of nested compilations on the main thread."""

    def __init__(self) -> None:
        self._depth = 0
        self._interrupt = Interrupt()

    def on_start(self, event: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            self._depth += 1
            if self._depth == 1:
                self._interrupt = Interrupt()
                self._interrupt.__enter__()

    def on_end(self, event: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            self._depth -= 1
            if self._depth == 0:
                self._interrupt.__exit__(None, None, None)


def hold_interrupts() -> None:
    """Let compilations finish, from now on."""
    event.register("numba:compiler_lock", _Holder())
