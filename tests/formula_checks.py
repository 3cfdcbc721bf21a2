"""Checks that every straight-line formula passes: its dtype, its text, and compiled bits equal to NumPy's."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

DTYPES = (np.float32, np.float64)


def awkward(dtype: Any, seed: int = 0) -> Any:
    """Return zeros, subnormals, extremes, infinities, NaN and ordinary numbers of a dtype."""
    info = np.finfo(dtype)
    special = [
        0.0,
        info.smallest_subnormal,
        info.tiny,
        1e-8,
        0.5,
        1.0,
        3.0,
        17.0,
        90.0,
        720.0,
        info.max,
        np.inf,
    ]
    ordinary = np.random.default_rng(seed).normal(size=200) * 4
    with np.errstate(over="ignore"):
        values = np.concatenate([special, np.negative(special), [np.nan], ordinary])
        return values.astype(dtype)


def evaluate(function: Callable[..., Any], *args: Any) -> Any:
    """Run a formula on arrays as the reference backend does: warnings off."""
    with np.errstate(all="ignore"):
        return function(*args)


def same_bits(a: Any, b: Any) -> bool:
    """Return whether two arrays are equal in dtype, shape and every bit, NaN payloads apart."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    both_nan = np.isnan(a) & np.isnan(b)
    integer = np.int32 if a.dtype == np.float32 else np.int64
    return bool(((a.view(integer) == b.view(integer)) | both_nan).all())


def compiled(function: Callable[..., Any], args: Sequence[Any], results: int | None = None) -> Any:
    """Run a formula compiled on scalars over arrays of one length; scalar arguments stay as they are.

    A formula that returns a tuple says of how many ``results``; they become the rows of the answer.
    Tests that come here are marked ``needs_jit``; the rest of this file works without.
    """
    import numba

    from fastnn.backends.numba_backend.single_source import share, tell_numba

    share(function)
    tell_numba()
    names = [f"x{i}" for i in range(len(args))]
    at = [n if np.ndim(a) == 0 else f"{n}[i]" for n, a in zip(names, args, strict=True)]
    store = ["out[0, i] = r"] if results is None else [f"out[{k}, i] = r[{k}]" for k in range(results)]
    scope: dict[str, Any] = {"function": function}
    exec(f"def scalar({', '.join(names)}):\n    return function({', '.join(names)})\n", scope)
    scope["scalar"] = numba.njit(error_model="numpy")(scope["scalar"])
    exec(
        f"def loop(out, {', '.join(names)}):\n    for i in range(out.shape[1]):\n"
        f"        r = scalar({', '.join(at)})\n        {'; '.join(store)}\n",
        scope,
    )
    dtype = next(a.dtype for a in args if np.ndim(a))
    out = np.empty((results or 1, max(np.size(a) for a in args)), dtype)
    numba.njit(error_model="numpy")(scope["loop"])(out, *args)
    (signature,) = scope["scalar"].nopython_signatures
    expected = dtype.name if results is None else f"UniTuple({dtype.name} x {results})"
    assert str(signature.return_type) == expected, f"compiled, it returns {signature.return_type}"
    return out[0] if results is None else out


def check_parity(function: Callable[..., Any], *args: Any) -> None:
    """Assert that NumPy keeps dtype and shape, and that compiled code gives the same bits."""
    expected = evaluate(function, *args)
    dtype = next(a.dtype for a in args if np.ndim(a))
    assert expected.dtype == dtype
    assert same_bits(np.asarray(expected), compiled(function, args))


def check_straight_line(function: Callable[..., Any]) -> None:
    """Assert that a formula is a docstring, assignments and one return, with no bare float in arithmetic."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef)
    body = definition.body[1:]
    assert all(isinstance(statement, ast.Assign) for statement in body[:-1]), "assignments only"
    assert isinstance(body[-1], ast.Return), "one return, at the end"
    for node in ast.walk(definition):
        assert not isinstance(node, (ast.IfExp, ast.BoolOp, ast.Attribute, ast.Lambda)), ast.unparse(node)
        if isinstance(node, (ast.BinOp, ast.Compare)):
            for operand in ast.iter_child_nodes(node):
                assert not isinstance(operand, ast.Constant), f"bare literal in {ast.unparse(node)}"


def central_difference(function: Callable[[Any], Any], x: Any) -> Any:
    """Return the numerical derivative of a float64 function at each of ``x``."""
    step = 6e-6 * np.maximum(1.0, np.abs(x))
    return (function(x + step) - function(x - step)) / (2 * step)
