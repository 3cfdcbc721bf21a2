"""Compiling many ops at once, on two cores where there are two: for ``fastnn.warmup``, which knows them beforehand.

Numba compiles under one lock, so the second core is another process. It takes the ops from the list's end and writes
them to disk, this one takes them from the beginning, and both stop where they meet. Nobody waits for one that died.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from fastnn.backends.numba_backend import _cache, _jit, _launch, _objects, _ops

PAYS = 4
"""Ops from which a second process pays: it takes most of a second to start."""

IS_SECOND = "fastnn-second-compiler"

_CODE = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = {path!r}
from fastnn.backends.numba_backend import _ahead
_ahead.compile_from_end()
"""


def missing(wanted: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the ops that have to be compiled, each once."""
    return [what for what in dict.fromkeys(wanted) if not _ops.is_ready(what)]


def compile_ahead(wanted: list[tuple[Any, ...]], done: Callable[[tuple[Any, ...]], None] | None = None) -> None:
    """Compile those of the ops that have to be; ``done`` is called after each."""
    work = missing(wanted)
    if not work:
        return
    with _second_process(work) as process:
        for what in work:
            if process is not None and not _claim(what, process.pid):
                _wait(what, process)
            _ops.op(*what)
            if done is not None:
                done(what)


@contextlib.contextmanager
def _second_process(work: list[tuple[Any, ...]]) -> Iterator[Any]:
    """Let another process take ops from the end of the list, as long as the block runs."""
    shared = [what for what in work if _ops.disk_key(what) is not None]
    process = _started() if len(shared) >= PAYS else None
    if process is None:
        yield None
        return
    try:
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.write(pickle.dumps(shared))
            process.stdin.close()
        yield process
    finally:
        _end(process)


def _started() -> Any:
    """Start the second process, if it can pay; return it or None."""
    if _launch.workers() < 2 or _cache.CACHE_FOLDER is None or not sys.executable or IS_SECOND in sys.argv:
        return None
    with contextlib.suppress(OSError):
        return subprocess.Popen(
            [sys.executable, "-c", _CODE.format(path=sys.path), IS_SECOND], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return None


def _end(process: Any) -> None:
    """End the second process; a file half written has another name, and goes too."""
    with contextlib.suppress(OSError):
        process.stdin.close()
    process.kill()
    process.wait()
    if _cache.CACHE_FOLDER is not None:
        for path in _cache.CACHE_FOLDER.glob(f"*.{process.pid}.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()


def compile_from_end() -> None:
    """Compile the ops named on standard input, the last first, up to one that somebody else has compiled."""
    _jit.warm_up_compiler()
    for what in reversed(pickle.load(sys.stdin.buffer)):
        if not _claim(what, os.getpid()):
            return
        _ops.op(*what)


def _claim(what: tuple[Any, ...], pid: int) -> bool:
    """Note that an op is being compiled, in an empty file that bears the second process's number; False if it was."""
    key = _ops.disk_key(what)
    if key is None or _cache.CACHE_FOLDER is None:
        return True
    path = _objects.path_of(_cache.CACHE_FOLDER, key)
    try:
        os.close(os.open(path.with_suffix(f".{pid}.tmp"), os.O_CREAT | os.O_EXCL))
    except OSError:
        return False
    return True


def _wait(what: tuple[Any, ...], process: Any) -> None:
    """Wait for an op that the second process has claimed, as long as that lives."""
    while not _ops.is_ready(what) and process.poll() is None:
        time.sleep(0.002)
