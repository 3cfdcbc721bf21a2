"""The only file that says ``njit``: compile flags, the vector width, and where compiled code is kept.

Flags: ``error_model="numpy"`` because the zero-division check of Python semantics keeps LLVM from vectorising a
division (1M sigmoids: 8 ms against 1.1); never ``fastmath``, which would reassociate and fuse. Compiled code is
kept in a folder named after a hash of every source of the package: Numba's cache looks at the file of the function
alone and would miss an edit in a file it calls into. Without a writable folder everything still runs, uncached.

Numba is imported when something is compiled (``_pipeline.py``), not before: kernels are written against the stand-ins
here, which Numba is told about then.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import os
import platform
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import llvmlite.binding

from fastnn.backends.numba_backend import _objects
from fastnn.errors import UnavailableError

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def setting(name: str) -> Any:
    """Return a setting of Numba's, from the environment where Numba has not been imported: None for the default."""
    if "numba" in sys.modules or Path(".numba_config.yaml").exists():
        return getattr(importlib.import_module("numba.core.config"), name, None)
    return os.environ.get(f"NUMBA_{name}") or None


if str(setting("DISABLE_JIT") or "0") != "0":
    raise UnavailableError(
        "the numba backend is compiled code, and NUMBA_DISABLE_JIT is set: unset it, or use backend='numpy'"
    )

FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": False}

OP_ARGUMENTS = 5
"""Every op takes as many int64; in a program: address of the context, address of its record, two positions, address of
scratch."""


class Lazy:
    """A module that is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)


numba: Any = Lazy("numba")
types: Any = Lazy("numba.core.types")
cgutils: Any = Lazy("numba.core.cgutils")
"""Numba, its types and its tools for writing LLVM code, for definitions of intrinsics and signatures of entries."""


class Inner:
    """A function that kernels call; what is compiled of it becomes part of them."""

    def __init__(self, function: Callable[..., Any], *, forced: bool = False, allocates: bool = False) -> None:
        self.function, self.forced, self.allocates = function, forced, allocates
        functools.update_wrapper(self, function)

    @functools.cached_property
    def compiled(self) -> Any:
        """Numba's dispatcher for kernels; it cannot be called from Python."""
        pipeline = _pipeline()
        if self.allocates:
            return pipeline.numba.njit(nogil=True, **FLAGS)(self.function)
        return pipeline.numba.njit(pipeline_class=pipeline.Kernels, forceinline=self.forced, **pipeline.OPTIONS)(
            self.function
        )

    def __call__(self, *arguments: Any) -> Any:
        """Run it from Python, compiled, which only tests and experiments do."""
        return entry(self.function)(*arguments)


class Intrinsic:
    """LLVM code that kernels call: Numba's ``intrinsic``, defined when something is compiled."""

    def __init__(self, definition: Callable[..., Any], prefer_literal: bool) -> None:
        self.definition, self.prefer_literal = definition, prefer_literal

    @functools.cached_property
    def kind(self) -> Any:
        """Numba's type of it."""
        return _pipeline().intrinsic_type(self, self.definition, self.prefer_literal)


class Entry:
    """A function that Python calls. The first call puts Numba's dispatcher in its place in its module."""

    def __init__(self, function: Callable[..., Any], parallel: bool, nogil: bool) -> None:
        self.py_func, self._parallel, self._nogil = function, parallel, nogil
        functools.update_wrapper(self, function)

    @functools.cached_property
    def compiled(self) -> Any:
        pipeline = _pipeline()
        numba = pipeline.numba
        pipeline.tell()
        options = {"prange": True, "reduction": False, "fusion": False, "setitem": False, "stencil": False,
                   "numpy": False, "inplace_binop": False}  # fmt: skip
        names = self.py_func.__globals__
        if self._parallel:
            names["prange"] = numba.prange
        with _cache_folder() as cache:
            made = numba.njit(nogil=self._nogil, cache=cache, parallel=options if self._parallel else False, **FLAGS)(
                self.py_func
            )
        if names.get(self.py_func.__name__) is self:
            names[self.py_func.__name__] = made
        return made

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled(*arguments)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only other kernels call; its code is cached as part of theirs."""
    return Inner(function)


def helper(function: Callable[..., Any]) -> Any:
    """Compile a function that only entries call; it may allocate, and hand on arrays that are allocated."""
    return Inner(function, allocates=True)


def entry(function: Callable[..., Any], *, parallel: bool = False, nogil: bool = True) -> Any:
    """Compile a function that Python calls; cached on disk, the GIL released unless ``nogil`` is False.

    With ``parallel``, ``prange`` in it stands for Numba's; its module may say ``prange = range``.
    """
    return Entry(function, parallel, nogil)


def dispatcher_of(entry: Any) -> Any:
    """Return Numba's dispatcher of an entry."""
    return entry.compiled if isinstance(entry, Entry) else entry


def entry_point(entry: Any, *signature: Any) -> Callable[..., Any]:
    """Return the machine code for arguments of these types as a Python function that looks at no argument's type.

    A call of two arrays takes 0.32 us, 0.45 through Numba's dispatcher, and read-only arrays need no code of their own.
    The caller vouches for dtypes, axes and contiguity.
    """
    dispatcher = dispatcher_of(entry)
    dispatcher.compile(signature)
    found: Callable[..., Any] = dispatcher.overloads[signature].entry_point
    return found


def intrinsic(definition: Callable[..., Any] | None = None, *, prefer_literal: bool = False) -> Any:
    """Define LLVM code by ``definition(typing, *types)``, as Numba's decorator of that name does."""
    if definition is None:
        return functools.partial(intrinsic, prefer_literal=prefer_literal)
    return Intrinsic(definition, prefer_literal)


PENDING: list[tuple[str, Callable[..., Any], Any]] = []
"""What compiled code shall call for functions of plain Python, and Numba has not been told yet."""


def inlined(function: F) -> F:
    """Make a function of plain Python callable, inlined, from compiled code; return it unchanged."""
    PENDING.append(("function", function, Inner(function, forced=True)))
    return function


def defined(function: Callable[..., Any]) -> Callable[[F], F]:
    """Let an intrinsic's definition stand for a function of plain Python in compiled code."""

    def register(definition: F) -> F:
        PENDING.append(("intrinsic", function, definition))
        return definition

    return register


def chosen(function: Callable[..., Any], choose: Callable[..., Callable[..., Any]]) -> None:
    """Let the function that ``choose(*types)`` returns stand for ``function`` in compiled code."""
    PENDING.append(("overload", function, choose))


def warm_up_compiler() -> None:
    """Import Numba and let it prepare for compiling."""
    _pipeline().prepare()


def _pipeline() -> Any:
    """Return the module that compiles; importing it imports Numba."""
    return importlib.import_module("fastnn.backends.numba_backend._pipeline")


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
    if folder := setting("CACHE_DIR"):
        return Path(folder)
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
    config: Any = importlib.import_module("numba.core.config")
    if CACHE_FOLDER is None:
        yield False
        return
    before = config.CACHE_DIR
    config.CACHE_DIR = str(CACHE_FOLDER)
    try:
        yield True
    finally:
        config.CACHE_DIR = before


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


@functools.cache
def _machine() -> str:
    """Return what machine code depends on beside the sources: the CPU compiled for, and the compiler."""
    target = f"{llvmlite.binding.get_process_triple()} {setting('CPU_NAME') or llvmlite.binding.get_host_cpu_name()}"
    level = setting("OPT")
    if level == "max" or getattr(level, "is_opt_max", False):
        level = 4  # the same words whether Numba has been imported or not
    opt = 3 if level is None else int(level)
    checks = "unchecked" if str(setting("BOUNDSCHECK") or "0") == "0" else "checked"
    return f"{target} {','.join(sorted(_features()))} opt {opt} {checks} {_objects.compiler_stamp()}"


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


def _key(what: tuple[Any, ...]) -> str | None:
    """Return the whole key of an op's machine code on disk, or None where it cannot be kept there."""
    name = _key_of(what)
    return None if name is None or CACHE_FOLDER is None else f"{name}\n{_machine()}"


def is_ready(what: tuple[Any, ...]) -> bool:
    """Return whether an op needs no compiling: this process has it, or it is on disk."""
    if what in _ADDRESSES:
        return True
    key = _key(what)
    return key is not None and CACHE_FOLDER is not None and _objects.path_of(CACHE_FOLDER, key).exists()


def _read(what: tuple[Any, ...]) -> bytes | None:
    """Return the machine code of an op that is on disk."""
    key = _key(what)
    return None if key is None or CACHE_FOLDER is None else _objects.read(CACHE_FOLDER, key)


def _symbol(what: tuple[Any, ...]) -> str:
    key = _key(what)
    return _objects.symbol_of(secrets.token_hex() if key is None else key)


def compile_all(wanted: Iterable[tuple[Any, ...]]) -> None:
    """Compile ops, each once: LLVM's half of one on a second thread while Numba's of the next runs on this one."""
    with _OPS:
        work = [what for what in dict.fromkeys(wanted) if what not in _ADDRESSES]
        pipeline = _pipeline()
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
    key = _key(what)
    if alone and key is not None and CACHE_FOLDER is not None:
        _objects.write(CACHE_FOLDER, key, code)
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


def _features() -> frozenset[str]:
    """Return the CPU features Numba is told to compile for: ``NUMBA_CPU_FEATURES``, else the host's.

    With ``NUMBA_CPU_NAME`` alone Numba still asks for the host's, but for ``generic``, which means none.
    """
    text = setting("CPU_FEATURES")
    if text is None and setting("CPU_NAME") == "generic":
        text = ""
    if text is None:
        text = llvmlite.binding.get_host_cpu_features().flatten()
    found = frozenset(part[1:] for part in text.split(",") if part.startswith("+"))
    if str(setting("ENABLE_AVX") or "1") == "0":
        found = frozenset(name for name in found if not name.startswith("avx"))
    return found


def _vector_bytes() -> int:
    features = _features()
    if "avx512f" in features:
        return 64
    return 32 if "avx" in features or "avx2" in features else 16


VECTOR_BYTES = _vector_bytes()
"""Bytes in one SIMD register of the CPU compiled for. Results do not depend on it; speed does."""

TILE_VECTORS = 4 if VECTOR_BYTES == 64 or platform.machine() in ("aarch64", "arm64") else 2
"""Vectors in a row of the micro-kernel's tile: 4 x 4 accumulators fill half of 32 registers, 4 x 2 of 16."""
