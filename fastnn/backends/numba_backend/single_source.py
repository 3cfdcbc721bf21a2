"""Lets compiled code call the formulas: the text that NumPy runs on arrays, compiled on scalars.

Each primitive gets a twin of one machine instruction; each formula is its own implementation. Everything is
inlined into its caller, so that loops over formulas vectorise, and divides by IEEE-754 rules: a check for a
zero divisor would be a branch. ``share`` does the same for any further straight-line function (an
activation, a loss, an optimizer's update).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from fastnn.formulas import (
    FORMULAS,
    error_function,
    exponential,
    hyperbolic,
    logarithm,
    logistic,
    power,
    primitives,
    soft_rectifier,
    trigonometric,
)

F = TypeVar("F", bound=Callable[..., Any])

JIT_OPTIONS = {"error_model": "numpy", "forceinline": True}

_shared: set[Any] = set()


def share(function: F) -> F:
    """Make a straight-line function callable, inlined, from compiled code; return it unchanged.

    Parameters
    ----------
    function : callable
        Assignments and one return over formulas, primitives and other shared functions. Sharing twice is
        sharing once.
    """
    if function not in _shared:
        _shared.add(function)
        overload(function, jit_options=JIT_OPTIONS, strict=False)(lambda *args, **kwargs: function)
    return function


def forward_formula(function: Callable[..., Any], has_alpha: bool) -> Callable[..., Any]:
    """Return an activation as a formula ``f(z, alpha)``."""
    inside = share(function)

    def with_alpha(z, alpha):
        return inside(z)

    return inside if has_alpha else share(with_alpha)


def backward_formula(function: Callable[..., Any], has_alpha: bool) -> Callable[..., Any]:
    """Return a derivative as a formula ``f(z, a, alpha)``."""
    inside = share(function)

    def with_alpha(z, a, alpha):
        return inside(z, a)

    return inside if has_alpha else share(with_alpha)


def share_module(module: ModuleType) -> None:
    """Share every function that ``module`` defines."""
    for function in list(vars(module).values()):
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            share(function)


def _bitcast(typing_context: Any, value: Any, result: Any, llvm_type: ir.Type, width: int) -> Any:
    """Return signature and code of an intrinsic: cut or widen an integer to ``width`` bits, reinterpret."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (x,) = args
        if isinstance(x.type, ir.IntType) and x.type.width > width:
            x = builder.trunc(x, ir.IntType(width))
        elif isinstance(x.type, ir.IntType) and x.type.width < width:
            x = builder.sext(x, ir.IntType(width))
        return builder.bitcast(x, llvm_type)

    return result(value), code


@intrinsic  # type: ignore[untyped-decorator]
def _bits32(typing_context: Any, x: Any) -> Any:
    return _bitcast(typing_context, x, types.int32, ir.IntType(32), 32)


@intrinsic  # type: ignore[untyped-decorator]
def _bits64(typing_context: Any, x: Any) -> Any:
    return _bitcast(typing_context, x, types.int64, ir.IntType(64), 64)


@intrinsic  # type: ignore[untyped-decorator]
def _float32_from_bits(typing_context: Any, i: Any) -> Any:
    return _bitcast(typing_context, i, types.float32, ir.FloatType(), 32)


@intrinsic  # type: ignore[untyped-decorator]
def _float64_from_bits(typing_context: Any, i: Any) -> Any:
    return _bitcast(typing_context, i, types.float64, ir.DoubleType(), 64)


@intrinsic  # type: ignore[untyped-decorator]
def _select(typing_context: Any, condition: Any, a: Any, b: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(types.boolean, a, a), code


def _primitive(function: Callable[..., Any]) -> Callable[[Any], Any]:
    return overload(function, jit_options=JIT_OPTIONS, strict=False)  # type: ignore[no-any-return]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise TypingError(message)


@_primitive(primitives.like)
def _like(x: Any, value: Any) -> Any:
    _require(isinstance(x, types.Float), f"like takes a float, not {x}")
    cast = np.float32 if x == types.float32 else np.float64
    return lambda x, value: cast(value)


@_primitive(primitives.where)
def _where(condition: Any, a: Any, b: Any) -> Any:
    _require(a == b, f"where takes two values of one type, not {a} and {b}: is a constant untyped?")
    _require(condition == types.boolean, f"where takes a boolean, not {condition}")
    return lambda condition, a, b: _select(condition, a, b)


@_primitive(primitives.sqrt)
def _sqrt(x: Any) -> Any:
    _require(isinstance(x, types.Float), f"sqrt takes a float, not {x}")
    return lambda x: np.sqrt(x)


@_primitive(primitives.bits)
def _bits(x: Any) -> Any:
    _require(isinstance(x, types.Float), f"bits takes a float, not {x}")
    return (lambda x: _bits32(x)) if x == types.float32 else (lambda x: _bits64(x))


@_primitive(primitives.float32_from_bits)
def _from_bits_32(i: Any) -> Any:
    _require(isinstance(i, types.Integer), f"float32_from_bits takes an integer, not {i}")
    return lambda i: _float32_from_bits(i)


@_primitive(primitives.float64_from_bits)
def _from_bits_64(i: Any) -> Any:
    _require(isinstance(i, types.Integer), f"float64_from_bits takes an integer, not {i}")
    return lambda i: _float64_from_bits(i)


@_primitive(primitives.to_float32)
def _to_float32(x: Any) -> Any:
    return lambda x: np.float32(x)


@_primitive(primitives.to_float64)
def _to_float64(x: Any) -> Any:
    return lambda x: np.float64(x)


@_primitive(primitives.lookup)
def _lookup(table: Any, i: Any) -> Any:
    # An unsigned index: with a signed one, Numba would allow for negative indices.
    return lambda table, i: table[np.uint64(i)]


def _share_generic(function: Callable[..., Any], float32: Any, float64: Any) -> None:
    """Let a formula that picks by dtype pick while compiling."""
    _shared.add(function)

    def pick(*args: Any) -> Any:
        _require(
            args[0] in (types.float32, types.float64) and len(set(args)) == 1,
            f"{function.__name__} takes float32 or float64, all alike, not {args}",
        )
        return float32 if args[0] == types.float32 else float64

    overload(function, jit_options=JIT_OPTIONS, strict=False)(pick)


for _formula in FORMULAS.values():
    # What fastnn.formulas exports wraps what the module defines; both may be called.
    for _function in {_formula.function, inspect.unwrap(_formula.function)}:
        _share_generic(_function, _formula.float32, _formula.float64)
for _module in (
    exponential,
    logarithm,
    hyperbolic,
    logistic,
    soft_rectifier,
    error_function,
    trigonometric,
    power,
):
    share_module(_module)
