"""The only file that says ``njit``: compile flags, and the stand-ins that kernels are written with.

Flags: ``error_model="numpy"`` because the zero-division check of Python semantics keeps LLVM from vectorising a
division (1M sigmoids: 8 ms against 1.1); never ``fastmath``, which would reassociate and fuse.

Numba is imported when something is compiled (``_pipeline.py``), not before: kernels are written against the stand-ins
here, which Numba is told about then.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from fastnn.backends.numba_backend._cache import cache_folder
from fastnn.backends.numba_backend._processor import setting
from fastnn.errors import UnavailableError

F = TypeVar("F", bound=Callable[..., Any])

if str(setting("DISABLE_JIT") or "0") != "0":
    raise UnavailableError(
        "the numba backend is compiled code, and NUMBA_DISABLE_JIT is set: unset it, or use backend='numpy'"
    )

FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": False}


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
        pipeline = compiling_module()
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
        return compiling_module().intrinsic_type(self, self.definition, self.prefer_literal)


class Entry:
    """A function that Python calls. The first call puts Numba's dispatcher in its place in its module."""

    def __init__(self, function: Callable[..., Any], parallel: bool, nogil: bool) -> None:
        self.py_func, self._parallel, self._nogil = function, parallel, nogil
        functools.update_wrapper(self, function)

    @functools.cached_property
    def compiled(self) -> Any:
        pipeline = compiling_module()
        numba = pipeline.numba
        pipeline.tell()
        options = {"prange": True, "reduction": False, "fusion": False, "setitem": False, "stencil": False,
                   "numpy": False, "inplace_binop": False}  # fmt: skip
        names = self.py_func.__globals__
        if self._parallel:
            names["prange"] = numba.prange
        with cache_folder() as cache:
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
    compiling_module().prepare()


def compiling_module() -> Any:
    """Return the module that compiles; importing it imports Numba."""
    return importlib.import_module("fastnn.backends.numba_backend._pipeline")
