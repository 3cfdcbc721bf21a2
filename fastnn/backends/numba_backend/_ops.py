"""Ops: kernels that programs call by their addresses, compiled once and kept on disk.

An op is made by a function ``make(*arguments)``; its machine code is kept under the name of that function and what it
was given, and belongs to one processor.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any, TypeVar

from fastnn.backends.numba_backend import _cache, _objects
from fastnn.backends.numba_backend._jit import Inner, compiling_module
from fastnn.backends.numba_backend._processor import machine

T = TypeVar("T")


def _key_of(thing: Any) -> str | None:
    """Return a name for an argument of an op's maker that is the same in every process, or None."""
    if thing is None or isinstance(thing, bool | int | float | str):
        return repr(thing)
    if isinstance(thing, tuple):
        keys = [_key_of(part) for part in thing]
        return None if None in keys else repr(keys)
    if isinstance(thing, Inner):
        thing = thing.function
    if isinstance(thing, type | FunctionType) and thing.__module__.partition(".")[0] in ("fastnn", "numpy"):
        module, name = str(thing.__module__), str(thing.__qualname__)
        found = getattr(sys.modules.get(module), name, None)
        return f"{module}.{name}" if found is thing or getattr(found, "function", None) is thing else None
    return None  # a user's own function: its file may change, and the cache would not know


_ADDRESSES: dict[tuple[Any, ...], int] = {}
"""Ops that this process has."""

_OPS = threading.RLock()
"""Held while an op is compiled or loaded, so that threads that ask for one op get the same."""


class _Planned(threading.local):
    """The ops that this thread asked for while nothing was to be compiled; see ``planning`` and ``together``."""

    def __init__(self) -> None:
        self.ops: list[tuple[Any, ...]] | None = None
        self.missing: list[tuple[Any, ...]] | None = None


_planned = _Planned()


@contextlib.contextmanager
def planning() -> Iterator[list[tuple[Any, ...]]]:
    """Note in a list which ops this thread asks for, with their arguments; none is compiled or run meanwhile."""
    before, _planned.ops = _planned.ops, []
    try:
        yield _planned.ops
    finally:
        _planned.ops = before


def is_planning() -> bool:
    """Return whether ops are noted instead of compiled."""
    return _planned.ops is not None


def disk_key(what: tuple[Any, ...]) -> str | None:
    """Return the whole key of an op's machine code on disk, or None where it cannot be kept there."""
    name = _key_of(what)
    return None if name is None or _cache.CACHE_FOLDER is None else f"{name}\n{machine()}"


def is_ready(what: tuple[Any, ...]) -> bool:
    """Return whether an op needs no compiling: this process has it, or it is on disk."""
    if what in _ADDRESSES:
        return True
    key = disk_key(what)
    return key is not None and _cache.CACHE_FOLDER is not None and _objects.path_of(_cache.CACHE_FOLDER, key).exists()


def _read(what: tuple[Any, ...]) -> bytes | None:
    """Return the machine code of an op that is on disk."""
    key = disk_key(what)
    return None if key is None or _cache.CACHE_FOLDER is None else _objects.read(_cache.CACHE_FOLDER, key)


def _symbol(what: tuple[Any, ...]) -> str:
    key = disk_key(what)
    return _objects.symbol_of(secrets.token_hex() if key is None else key)


def compile_all(wanted: Iterable[tuple[Any, ...]]) -> None:
    """Compile ops, each once: LLVM's half of one on a second thread while Numba's of the next runs on this one."""
    with _OPS:
        work = [what for what in dict.fromkeys(wanted) if what not in _ADDRESSES]
        pipeline = compiling_module()
        with pipeline.jobs(len(work) > 1 and _cores() > 1) as jobs:
            for what in work:
                make, *arguments = what
                symbol = _symbol(what)
                code = pipeline.machine_code(make(*arguments), symbol)
                jobs.begin(functools.partial(_finish, what, symbol, code))
            jobs.finish()


def _finish(what: tuple[Any, ...], symbol: str, make_code: Callable[[Any], tuple[bytes, bool]], linker: Any) -> None:
    """Load an op that is compiled but for LLVM's half, and write it to disk if other processes may use it."""
    code, alone = make_code(linker)
    key = disk_key(what)
    if alone and key is not None and _cache.CACHE_FOLDER is not None:
        _objects.write(_cache.CACHE_FOLDER, key, code)
    _ADDRESSES[what] = _objects.load(code, symbol)


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def together(make: Callable[[], T]) -> T:
    """Return what ``make()`` returns; it is called again if ops that it asks for had to be compiled.

    They are compiled all at once, which is faster on two cores. The first time, their addresses are 0.
    """
    if _planned.ops is not None or _planned.missing is not None:
        return make()
    missing: list[tuple[Any, ...]] = []
    _planned.missing = missing
    try:
        made = make()
    finally:
        _planned.missing = None
    if not missing:
        return made
    compile_all(missing)
    return make()


def op(make: Callable[..., Callable[..., None]], *arguments: Any) -> int:
    """Compile the op that ``make(*arguments)`` returns and return its address.

    Compiled code is cached in memory by the arguments, and on disk where every argument is a plain value or a
    function or class of fastnn's own; a user's function is compiled once a process.
    """
    what = (make, *arguments)
    if _planned.ops is not None:
        _planned.ops.append(what)
        return 0
    found = _ADDRESSES.get(what)
    if found is not None:
        return found
    with _OPS:
        if what not in _ADDRESSES:
            code = _read(what)
            if code is not None:
                _ADDRESSES[what] = _objects.load(code, _symbol(what))
            elif _planned.missing is not None:
                _planned.missing.append(what)
                return 0
            else:
                compile_all([what])
        return _ADDRESSES[what]


_CALLS: dict[tuple[Any, ...], Callable[..., None]] = {}


def call_op(make: Callable[..., Callable[..., None]], *arguments: Any) -> Callable[..., None]:
    """Return the op that ``make(*arguments)`` returns as a function of five int64 that Python can call."""
    what = (make, *arguments)
    if _planned.ops is not None:
        op(*what)
        return _do_nothing
    found = _CALLS.get(what)
    if found is None:
        address = op(*what)
        if address == 0:  # to be compiled together with others
            return _do_nothing
        found = _CALLS[what] = _objects.CALL(address)
    return found


def _do_nothing(*arguments: int) -> None:
    """Stand for an op while ops are only noted."""
