"""Ctrl-C at safe moments: the signal is noted while work is under way and acted upon when it is whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """Holds SIGINT back inside a ``with`` block; ``check`` hands it to the handler that was there before.

    In a thread other than the main one, where signals do not arrive, it does nothing.
    """

    def __init__(self) -> None:
        self._previous: Any = None
        self._installed = False
        self._frame: FrameType | None = None
        self._pending = False

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.getsignal(signal.SIGINT)
            if callable(self._previous):
                signal.signal(signal.SIGINT, self._note)
                self._installed = True
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._pending, self._frame = True, frame

    def check(self) -> None:
        """Let a signal that came since the last check take effect: normally by raising KeyboardInterrupt."""
        if self._pending:
            self._pending = False
            self._previous(signal.SIGINT, self._frame)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        if self._installed:
            signal.signal(signal.SIGINT, self._previous)
            if kind is None:
                self.check()
