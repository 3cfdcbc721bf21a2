"""The only file that says ``njit``: compile flags, the vector width, and where compiled code is kept.

Flags: ``error_model="numpy"`` because the zero-division check of Python semantics keeps LLVM from vectorising a
division (1M sigmoids: 8 ms against 1.1); never ``fastmath``, which would reassociate and fuse. Compiled code is
kept in a folder named after a hash of every source of the package: Numba's cache looks at the file of the function
alone and would miss an edit in a file it calls into. Without a writable folder everything still runs, uncached.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core import config, sigutils
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.codegen import get_host_cpu_features

from fastnn.errors import UnavailableError

if config.DISABLE_JIT:
    raise UnavailableError(
        "the numba backend is compiled code, and NUMBA_DISABLE_JIT is set: unset it, or use backend='numpy'"
    )

_FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": False}

FunctionIdentity._unique_ids = iter(lambda: secrets.randbits(63), -1)
"""Numbers that tell functions of one name apart in compiled code. Numba counts them from 1 in each process, so closures
that two processes compiled and cached may bear one number; a third process that loads both runs the first in place of
the second (RMSprop's update in a model with Adagrad, say)."""

OP_SIGNATURE = "void(int64, int64, int64, int64, int64)"
"""Every op of a program: address of the context, address of its record, two positions, address of scratch."""


KERNEL_SOURCES = ("activations", "backends/numba_backend", "contract.py", "formulas", "losses", "optimizers", "random",
                  "regularizers.py")  # fmt: skip
"""What compiled code is made of; an edit elsewhere leaves the cache valid."""


def _source_digest() -> str:
    """Return a hash of the sources that kernels are compiled from."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[2]
    for part in KERNEL_SOURCES:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(str(file.relative_to(package)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _user_cache() -> Path:
    """Return the folder for compiled code of this user, by the platform's convention."""
    if config.CACHE_DIR:
        return Path(config.CACHE_DIR)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", tempfile.gettempdir()))
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _forget_old_versions(folder: Path) -> None:
    """Remove the compiled code of sources that have not been compiled for a month."""
    for other in folder.parent.iterdir():
        with contextlib.suppress(OSError):
            if other != folder and time.time() - other.stat().st_mtime > 30 * 24 * 3600:
                shutil.rmtree(other, ignore_errors=True)


def _writable_cache() -> Path | None:
    """Return the folder for compiled code of these sources, made if need be; None where none can be."""
    try:
        folder = _user_cache() / "fastnn" / _source_digest()
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _forget_old_versions(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError):
        return None
    return folder


CACHE_FOLDER = _writable_cache()


@contextlib.contextmanager
def _cache_folder() -> Iterator[bool]:
    """Point Numba's cache at our folder while a dispatcher is made; yield whether there is one."""
    if CACHE_FOLDER is None:
        yield False
        return
    before = config.CACHE_DIR
    config.CACHE_DIR = str(CACHE_FOLDER)
    try:
        yield True
    finally:
        config.CACHE_DIR = before


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only other kernels call; its code is cached as part of theirs."""
    return numba.njit(nogil=True, **_FLAGS)(function)


def entry(function: Callable[..., Any], *, parallel: bool = False) -> Any:
    """Compile a function that Python calls; cached on disk, the GIL released."""
    with _cache_folder() as cache:
        options = {"prange": True, "reduction": False, "fusion": False, "setitem": False, "stencil": False,
                   "numpy": False, "inplace_binop": False}  # fmt: skip
        return numba.njit(nogil=True, cache=cache, parallel=options if parallel else False, **_FLAGS)(function)


def entry_point(dispatcher: Any, *signature: Any) -> Callable[..., Any]:
    """Return the machine code for arguments of these types as a Python function that looks at no argument's type.

    A call of two arrays takes 0.32 us, 0.45 through the dispatcher, and read-only arrays need no code of their own.
    The caller vouches for dtypes, axes and contiguity.
    """
    dispatcher.compile(signature)
    found: Callable[..., Any] = dispatcher.overloads[signature].entry_point
    return found


class _KeyedCache(FunctionCache):
    """A cache of compiled code that tells closures of one text apart by a key of ours.

    Numba's own key pickles what a closure holds, and jitted functions pickle differently in each process.
    """

    def __init__(self, function: Callable[..., Any], key: str) -> None:
        self._key = key
        super().__init__(function)

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return signature, codegen.magic_tuple(), self._key


def _key_of(thing: Any) -> str | None:
    """Return a name for an argument of an op's maker that is the same in every process, or None."""
    if thing is None or isinstance(thing, bool | int | float | str):
        return repr(thing)
    if isinstance(thing, tuple):
        keys = [_key_of(part) for part in thing]
        return None if None in keys else repr(keys)
    if isinstance(thing, type | FunctionType) and thing.__module__.partition(".")[0] in ("fastnn", "numpy"):
        module, name = str(thing.__module__), str(thing.__qualname__)
        return f"{module}.{name}" if getattr(sys.modules.get(module), name, None) is thing else None
    return None  # a user's own function: its file may change, and the cache would not know


def _compile_op(make: Callable[..., Callable[..., None]], *arguments: Any) -> int:
    """Compile the op that ``make(*arguments)`` returns and return its address.

    Compiled code is cached in memory by the arguments, and on disk where every argument is a plain value or a
    function or class of fastnn's own; a user's function is compiled once a process.
    """
    function = make(*arguments)
    compiled: Any = CFunc(function, sigutils.normalize_signature(OP_SIGNATURE), locals={}, options=dict(_FLAGS))
    key = _key_of((make, *arguments))
    with _cache_folder() as cache:
        if cache and key is not None:
            compiled._cache = _KeyedCache(function, key)
        compiled.compile()
    _KEEP.append(compiled)
    return int(compiled.address)


op: Callable[..., int] = functools.cache(_compile_op)

_KEEP: list[Any] = []
"""Compiled ops: their code lives as long as these objects."""


def _features() -> frozenset[str]:
    """Return the CPU features Numba is told to compile for: ``NUMBA_CPU_FEATURES``, else the host's.

    With ``NUMBA_CPU_NAME`` alone Numba still asks for the host's, but for ``generic``, which means none.
    """
    text = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    return frozenset(part[1:] for part in text.split(",") if part.startswith("+"))


def _vector_bytes() -> int:
    features = _features()
    if "avx512f" in features:
        return 64
    return 32 if "avx" in features or "avx2" in features else 16


VECTOR_BYTES = _vector_bytes()
"""Bytes in one SIMD register of the CPU compiled for. Results do not depend on it; speed does."""

TILE_VECTORS = 4 if VECTOR_BYTES == 64 or platform.machine() in ("aarch64", "arm64") else 2
"""Vectors in a row of the micro-kernel's tile: 4 x 4 accumulators fill half of 32 registers, 4 x 2 of 16."""
