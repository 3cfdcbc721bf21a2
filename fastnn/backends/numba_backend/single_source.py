"""Lets compiled code call the formulas: the text that NumPy runs on arrays, compiled on scalars.

Each primitive gets a twin of one machine instruction; each formula is its own implementation. Everything is
inlined into its caller, so that loops over formulas vectorise, and divides by IEEE-754 rules: a check for a
zero divisor would be a branch. ``share`` does the same for any further straight-line function (an
activation, a loss, an optimizer's update).
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir

from fastnn.backends.numba_backend._jit import Lazy, chosen, defined, inlined, types
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

errors: Any = Lazy("numba.core.errors")

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
        inlined(function)
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


def tell_numba() -> None:
    """Make formulas and shared functions callable from functions that others compile with Numba."""
    importlib.import_module("fastnn.backends.numba_backend._pipeline").tell()


def share_module(module: ModuleType) -> None:
    """Share every function that ``module`` defines."""
    for function in list(vars(module).values()):
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            share(function)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise errors.TypingError(message)


def _bitcast(value: Any, result: Any, llvm_type: ir.Type, width: int) -> Any:
    """Return signature and code of an intrinsic: cut or widen an integer to ``width`` bits, reinterpret."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (x,) = args
        if isinstance(x.type, ir.IntType) and x.type.width > width:
            x = builder.trunc(x, ir.IntType(width))
        elif isinstance(x.type, ir.IntType) and x.type.width < width:
            x = builder.sext(x, ir.IntType(width))
        return builder.bitcast(x, llvm_type)

    return result(value), code


def cast(steps: tuple[Any, ...], *kinds: Any) -> Any:
    """Return signature and code of an intrinsic that casts its last argument, type by type."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, before = args[-1], signature.args[-1]
        for step in steps:
            value, before = context.cast(builder, value, before, step), step
        return value

    return steps[-1](*kinds), code


@defined(primitives.like)
def _like(typing: Any, x: Any, value: Any) -> Any:
    _require(isinstance(x, types.Float), f"like takes a float, not {x}")
    return cast((x,), x, value)


@defined(primitives.where)
def _where(typing: Any, condition: Any, a: Any, b: Any) -> Any:
    _require(a == b, f"where takes two values of one type, not {a} and {b}: is a constant untyped?")
    _require(condition == types.boolean, f"where takes a boolean, not {condition}")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(types.boolean, a, a), code


@defined(primitives.sqrt)
def _sqrt(typing: Any, x: Any) -> Any:
    _require(isinstance(x, types.Float), f"sqrt takes a float, not {x}")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic("llvm.sqrt", [args[0].type]), args)

    return x(x), code


@defined(primitives.bits)
def _bits(typing: Any, x: Any) -> Any:
    _require(isinstance(x, types.Float), f"bits takes a float, not {x}")
    result = types.int32 if x == types.float32 else types.int64
    return _bitcast(x, result, ir.IntType(result.bitwidth), result.bitwidth)


@defined(primitives.float32_from_bits)
def _from_bits_32(typing: Any, i: Any) -> Any:
    _require(isinstance(i, types.Integer), f"float32_from_bits takes an integer, not {i}")
    return _bitcast(i, types.float32, ir.FloatType(), 32)


@defined(primitives.float64_from_bits)
def _from_bits_64(typing: Any, i: Any) -> Any:
    _require(isinstance(i, types.Integer), f"float64_from_bits takes an integer, not {i}")
    return _bitcast(i, types.float64, ir.DoubleType(), 64)


@defined(primitives.to_float32)
def _to_float32(typing: Any, x: Any) -> Any:
    return cast((types.float32,), x)


@defined(primitives.to_float64)
def _to_float64(typing: Any, x: Any) -> Any:
    return cast((types.float64,), x)


def _lookup(table: Any, i: Any) -> Any:
    # An unsigned index: with a signed one, Numba would allow for negative indices.
    return lambda table, i: table[np.uint64(i)]


chosen(primitives.lookup, _lookup)


def _share_generic(function: Callable[..., Any], float32: Any, float64: Any) -> None:
    """Let a formula that picks by dtype pick while compiling."""
    _shared.add(function)

    def pick(*args: Any) -> Any:
        _require(
            args[0] in (types.float32, types.float64) and len(set(args)) == 1,
            f"{function.__name__} takes float32 or float64, all alike, not {args}",
        )
        return float32 if args[0] == types.float32 else float64

    chosen(function, pick)


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
