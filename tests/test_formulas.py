"""The formulas: values known by hand, accuracy against mpmath, the same bits compiled, the rule of text."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import mpmath
import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

from fastnn import formulas
from fastnn.backends.numba_backend import single_source
from fastnn.formulas import FORMULAS, Formula, primitives

inf, nan = np.inf, np.nan
DTYPES = {"float32": np.float32, "float64": np.float64}
CASES = [pytest.param(f, t, id=f"{f.name}-{n}") for f in FORMULAS.values() for n, t in DTYPES.items()]


def evaluate(function: Callable[..., Any], *args: Any) -> Any:
    with np.errstate(all="ignore"):
        return function(*args)


def same_bits(a: Any, b: Any) -> bool:
    """Return whether two arrays have one dtype, shape and every bit in common, NaN payloads apart."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    integer = np.int32 if a.dtype == np.float32 else np.int64
    return bool(((a.view(integer) == b.view(integer)) | (np.isnan(a) & np.isnan(b))).all())


def of(formula: Formula, dtype: Any) -> Callable[..., Any]:
    return formula.float32 if dtype is np.float32 else formula.float64


# ---- values known by hand

KNOWN: dict[str, list[tuple[float, ...]]] = {
    "exp": [(0, 1), (-0.0, 1), (inf, inf), (-inf, 0.0), (1e3, inf), (-1e3, 0.0), (nan, nan)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -1), (1e3, inf), (-1e3, -1), (nan, nan)],
    "log": [(1, 0.0), (0.0, -inf), (-0.0, -inf), (inf, inf), (-1, nan), (-inf, nan), (nan, nan)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1, -inf), (inf, inf), (-1.5, nan), (-inf, nan), (nan, nan)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (inf, 1), (-inf, -1), (30, 1), (-30, -1), (nan, nan)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (inf, 1), (-inf, 0.0), (800, 1), (-800, 0.0), (nan, nan)],
    "log_sigmoid": [(inf, -0.0), (-inf, -inf), (-800, -800), (800, -0.0), (nan, nan)],
    "softplus": [(-inf, 0.0), (inf, inf), (800, 800), (-800, 0.0), (nan, nan)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (inf, 1), (-inf, -1), (7, 1), (-7, -1), (nan, nan)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (inf, nan), (-inf, nan), (nan, nan)],
    "cos": [(0.0, 1), (-0.0, 1), (inf, nan), (-inf, nan), (nan, nan)],
    "pow": [
        *[(x, 0.0, 1) for x in (nan, inf, -inf, 0.0, -0.0, -2.5)],
        *[(1, y, 1) for y in (nan, inf, -inf, 1e30, -0.5)],
        *[(-1, inf, 1), (-1, -inf, 1), (-1, 3, -1), (-1, 4, 1), (-1, 2.0**24 - 1, -1), (-1, 2.0**60, 1)],
        *[(2, 10, 1024), (-2, 3, -8), (10, 2, 100), (4, 0.5, 2), (2, -3, 0.125), (3, 4, 81), (-3, 0.5, nan)],
        *[(0.0, 3, 0.0), (-0.0, 3, -0.0), (-0.0, 2, 0.0), (-0.0, -1, -inf), (0.0, -2, inf), (-0.0, 0.5, 0.0)],
        *[(inf, 2, inf), (inf, -2, 0.0), (-inf, 3, -inf), (-inf, -3, -0.0), (-inf, 2, inf), (-inf, 0.5, inf)],
        *[(2, inf, inf), (0.5, inf, 0.0), (2, -inf, 0.0), (0.5, -inf, inf), (nan, 1, nan), (2, nan, nan)],
        *[(2, 2000, inf), (-2, 2001, -inf), (2, -2000, 0.0), (-2, -2001, -0.0)],
    ],
}


@pytest.mark.parametrize(("formula", "dtype"), CASES)
def test_known_values(formula: Formula, dtype: Any) -> None:
    table = np.array(KNOWN[formula.name], dtype)
    got = evaluate(formula.function, *table.T[:-1])
    for row, y in zip(table, got, strict=True):
        assert same_bits(np.array([y]), row[-1:]), f"{formula.name}{tuple(row[:-1])} is {row[-1]}, got {y}"


@pytest.mark.parametrize(("formula", "dtype"), CASES)
def test_scalars_give_scalars_of_the_dtype_and_the_same_bits(formula: Formula, dtype: Any) -> None:
    x = np.array([0.0, -0.0, 0.5, -2.5, 1e-40, 90, -104, 720, inf, nan], dtype)
    y = x[::-1].copy()
    arrays = evaluate(formula.function, *(x, y)[: formula.arity])
    scalars = [evaluate(formula.function, *v[: formula.arity]) for v in zip(x, y, strict=True)]
    assert all(type(s) is dtype for s in scalars)
    assert same_bits(arrays, np.array(scalars, dtype))


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_symmetries_hold_bit_for_bit(dtype: Any) -> None:
    x = np.concatenate([values("tanh", dtype), patterns(dtype, 2000)])
    for odd in (formulas.tanh, formulas.erf, formulas.sin):
        assert same_bits(-evaluate(odd, x), evaluate(odd, -x))
    assert same_bits(evaluate(formulas.cos, x), evaluate(formulas.cos, -x))
    assert same_bits(evaluate(formulas.log_sigmoid, x), -evaluate(formulas.softplus, -x))


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_any_strides_and_shapes(dtype: Any) -> None:
    x = np.linspace(-3, 3, 24).astype(dtype).reshape(2, 3, 4)
    for view in (x, x.T, x[:, ::-1], x[..., ::2], x[:0], x[1, 1, 1:2].reshape(())):
        got = evaluate(formulas.sigmoid, view)
        assert got.shape == view.shape
        assert same_bits(np.ravel(got), evaluate(formulas.sigmoid, np.ravel(view).copy()))


# ---- accuracy

TRUTHS: dict[str, Callable[..., Any]] = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "log_sigmoid": lambda x: -mpmath.log1p(mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "erf": mpmath.erf,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "pow": mpmath.power,
}


def spread(rng: np.random.Generator, low: int, high: int, n: int) -> Any:
    """Return positive numbers whose exponents are uniform: exact operations only, as the digests need."""
    return np.ldexp(rng.uniform(1, 2, n), rng.integers(low, high, n))


def values(name: str, dtype: Any) -> Any:
    """Return inputs all over the domain of a formula, and more of them where it is hard."""
    rng = np.random.default_rng(7)
    info = np.finfo(dtype)
    wide = 745.0 if dtype is np.float64 else 104.0
    n = 60
    small = rng.choice([-1, 1], n) * spread(rng, info.minexp - info.nmant, 0, n)
    parts = [small, rng.normal(size=n), rng.choice([-1, 1], n) * spread(rng, -30, 0, n)]
    parts += [rng.uniform(-0.4, 0.4, n), rng.uniform(-3, 3, n), rng.uniform(-wide, wide, n)]
    if name in ("exp", "sigmoid"):  # results that are subnormal
        parts += [rng.uniform(-wide, -0.94 * wide, n)]
    if name == "log":
        parts = [np.abs(np.concatenate(parts)), 1 + parts[2], rng.uniform(0.65, 1.5, n)]
        parts += [spread(rng, info.minexp - info.nmant, info.maxexp, n)]
    if name == "log1p":
        parts += [rng.uniform(-0.999, 0.5, n), spread(rng, 0, info.maxexp, n)]
    if name == "erf":
        parts += [rng.uniform(0.8, 1.2, n), rng.uniform(-6, 6, n)]
    if name in ("sin", "cos"):
        multiples = np.pi / 2 * np.round(spread(rng, 0, 40, n))
        parts += [multiples, rng.choice([-1, 1], n) * spread(rng, 0, info.maxexp, n)]
        # The float64 and the float32 nearest to a multiple of pi/2
        # [J.-M. Muller, Elementary Functions, section 11.3.2].
        parts += [[6381956970095103.0 * 2.0**797, 16367173 * 2.0**72]]
    with np.errstate(over="ignore"):
        x = np.concatenate(parts).astype(dtype)
    return x[(x > -1) & (x < inf)] if name == "log1p" else x[np.isfinite(x)]


def power_values(dtype: Any) -> tuple[Any, Any]:
    """Return bases and exponents whose powers cover the whole range, subnormals included."""
    rng = np.random.default_rng(8)
    info = np.finfo(dtype)
    n = 200
    x = [spread(rng, info.minexp - info.nmant, info.maxexp, n), rng.uniform(0.5, 2, n)]
    x += [1 + rng.choice([-1, 1], n) * spread(rng, -20, -4, n)]
    base = np.concatenate(x).astype(dtype)
    base[base == 1] = 3
    mantissa, power = np.frexp(base.astype(np.float64))
    logarithm = (power - 1) + (2 * mantissa - 1)  # of base 2, roughly
    exponent = (rng.uniform(info.minexp - info.nmant, info.maxexp, 3 * n) / logarithm).astype(dtype)
    return base, exponent


def ulp_error(got: Any, truth: Any) -> float:
    """Return |got - truth| in units in the last place of got's dtype at the truth."""
    info = np.finfo(got.dtype)
    if np.isinf(got) or truth == 0:
        limit = mpmath.ldexp(1, int(info.maxexp)) * (1 - mpmath.ldexp(1, -int(info.nmant) - 2))
        return 0.0 if got == truth or (abs(truth) >= limit and (got > 0) == (truth > 0)) else inf
    exponent = max(mpmath.frexp(truth)[1] - info.nmant - 1, int(info.minexp) - info.nmant)
    return float(abs(mpmath.mpf(float(got)) - truth) / mpmath.ldexp(1, int(exponent)))


@pytest.mark.parametrize(("formula", "dtype"), CASES)
def test_accuracy_against_mpmath(formula: Formula, dtype: Any) -> None:
    args = power_values(dtype) if formula.arity == 2 else (values(formula.name, dtype),)
    got = evaluate(formula.function, *args)
    bound = formula.ulp32 if dtype is np.float32 else formula.ulp64
    # mpmath takes as many more bits as 1e300 modulo pi eats.
    with mpmath.workprec(1300 if formula.name in ("sin", "cos") else 160):
        errors = [
            ulp_error(y, TRUTHS[formula.name](*(mpmath.mpf(float(v)) for v in x)))
            for y, *x in zip(got, *args, strict=True)
        ]
    worst = int(np.argmax(errors))
    assert errors[worst] <= bound, f"{errors[worst]} ulp at {[a[worst] for a in args]}"
    # A bound of half an ulp cannot be kept: the measure sees errors.
    assert errors[worst] > 0.45


def test_documented_bounds_stand_in_the_docstrings_and_keep_the_contract() -> None:
    for formula in FORMULAS.values():
        text = inspect.getdoc(formula.function) or ""
        assert f"float32 {formula.ulp32} ulp" in text, formula.name
        assert f"float64 {formula.ulp64} ulp" in text, formula.name
        assert formula.ulp32 <= 1, formula.name
        assert formula.ulp64 <= 2, formula.name


def test_sample_of_the_scan_over_all_float32() -> None:
    import measure_ulp

    assert sorted([*measure_ulp.TRUTHS, "pow"]) == sorted(FORMULAS)
    for name in ("exp", "sin"):
        worst, at = measure_ulp.measure(name, 40009)
        assert 0.5 < worst <= FORMULAS[name].ulp32, (name, at)


# ---- one text, the same bits


def patterns(dtype: Any, n: int, seed: int = 1) -> Any:
    """Return random bit patterns: every exponent, subnormals, infinities and NaN are among them."""
    unsigned = np.uint32 if dtype is np.float32 else np.uint64
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2 ** (8 * np.dtype(dtype).itemsize), n, dtype=unsigned).view(dtype)


def parity_inputs(formula: Formula, dtype: Any) -> tuple[Any, ...]:
    rng = np.random.default_rng(2)
    ordinary = (rng.normal(size=100_000) * spread(rng, -10, 7, 100_000)).astype(dtype)
    known = sorted({v for rows in KNOWN.values() for row in rows for v in row if v == v})
    special = np.array([*known, -0.0, nan], dtype)
    if formula.arity == 1:
        return (np.concatenate([patterns(dtype, 100_000), ordinary, values(formula.name, dtype), special]),)
    x, y = power_values(dtype)
    a, b = (g.ravel() for g in np.meshgrid(special, special))
    base = [patterns(dtype, 50_000), np.abs(ordinary[:50_000]), x, a]
    return np.concatenate(base), np.concatenate([patterns(dtype, 50_000, 3), ordinary[50_000:], y, b])


def compiled(formula: Formula) -> tuple[Any, Any]:
    """Return the formula compiled on scalars, and a compiled loop over arrays that calls it."""
    single_source.tell_numba()
    function = formula.function
    if formula.arity == 1:
        scalar = numba.njit(error_model="numpy", forceinline=True)(lambda x: function(x))

        @numba.njit(error_model="numpy")
        def loop(out: Any, x: Any) -> None:
            for i in range(out.size):
                out[i] = scalar(x[i])
    else:
        scalar = numba.njit(error_model="numpy", forceinline=True)(lambda x, y: function(x, y))

        @numba.njit(error_model="numpy")
        def loop(out: Any, x: Any, y: Any) -> None:
            for i in range(out.size):
                out[i] = scalar(x[i], y[i])

    return scalar, loop


@pytest.mark.parametrize(("formula", "dtype"), CASES)
def test_compiled_bits_equal_numpy_bits(formula: Formula, dtype: Any) -> None:
    args = parity_inputs(formula, dtype)
    scalar, loop = compiled(formula)
    out = np.empty(args[0].size, dtype)
    loop(out, *args)
    expected = evaluate(formula.function, *args)
    assert expected.dtype == dtype
    assert same_bits(expected, out)
    (signature,) = scalar.nopython_signatures
    assert signature.return_type == numba.from_dtype(np.dtype(dtype)), "the type must survive compilation"
    (assembly,) = loop.inspect_asm().values()
    assert "vfmadd" not in assembly
    if numba.core.config.ENABLE_AVX and "xmm" in assembly and formula.name != "pow":
        assert re.search(r"\bv?mulp[sd]\s", assembly), "the loop over the formula must vectorise"


DIGEST = """
import hashlib, sys
import numpy as np
sys.path.insert(0, {tests!r})
from test_formulas import FORMULAS, DTYPES, numpy_digest, numba_digest
print({function}())
"""


def digest(outputs: Any) -> str:
    """Return the SHA-256 of arrays, every NaN written alike."""
    sha = hashlib.sha256()
    for a in outputs:
        sha.update(np.where(np.isnan(a), a.dtype.type(nan), a).tobytes())
    return sha.hexdigest()


def numpy_digest() -> str:
    return digest(evaluate(f.function, *parity_inputs(f, t)) for f in FORMULAS.values() for t in DTYPES.values())


def numba_digest() -> str:
    outputs = []
    for formula in FORMULAS.values():
        _, loop = compiled(formula)
        for dtype in DTYPES.values():
            args = parity_inputs(formula, dtype)
            outputs.append(np.empty(args[0].size, dtype))
            loop(outputs[-1], *args)
    return digest(outputs)


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        (
            "numpy_digest",
            {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX512_SPR AVX2 FMA3 X86_V3 X86_V4"},
        ),
        ("numba_digest", {"NUMBA_CPU_NAME": "generic"}),
    ],
    ids=["numpy-without-avx", "numba-generic"],
)
def test_bits_do_not_depend_on_the_instruction_set(function: str, settings: dict[str, str]) -> None:
    script = DIGEST.format(tests=os.path.dirname(__file__), function=function)
    environment = {**os.environ, **settings, "PYTHONWARNINGS": "ignore"}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == numpy_digest()


# ---- the text


GENERIC = {g for f in FORMULAS.values() for g in (f.function, inspect.unwrap(f.function))}
TEXTS = sorted(
    (f for f in single_source._shared - GENERIC if f.__module__.startswith("fastnn.formulas.")),
    key=lambda f: (f.__module__, f.__name__),
)
ALLOWED = (
    *(
        ast.FunctionDef,
        ast.arguments,
        ast.arg,
        ast.Assign,
        ast.Return,
        ast.Expr,
        ast.Name,
        ast.Load,
        ast.Store,
    ),
    *(ast.Tuple, ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant),
    *(
        ast.Add,
        ast.Sub,
        ast.Mult,
        ast.Div,
        ast.USub,
        ast.BitAnd,
        ast.BitOr,
        ast.BitXor,
        ast.LShift,
        ast.RShift,
    ),
    *(ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq),
)
PRIMITIVES = {f for _, f in inspect.getmembers(primitives, inspect.isfunction)}


def impurities(function: Callable[..., Any]) -> list[str]:
    """Return what in a function's text is not assignments and one return, typed constants and formulas."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef)
    found = []
    *middle, last = definition.body[1:]
    if not isinstance(last, ast.Return) or not all(isinstance(s, ast.Assign) for s in middle):
        found.append("something besides assignments and one return at the end")
    definition.returns = None
    for argument in definition.args.args:
        argument.annotation = None
    local = {n.id for n in ast.walk(definition) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    local |= {a.arg for a in definition.args.args}
    for node in (n for statement in definition.body[1:] for n in ast.walk(statement)):
        attribute_call = isinstance(node, ast.Call) and not isinstance(node.func, ast.Name)
        if not isinstance(node, ALLOWED) or isinstance(node, ast.Constant) or attribute_call:
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Name) and node.id not in local and node.id != "abs":
            value = function.__globals__.get(node.id)
            typed = isinstance(value, (np.float32, np.float64, np.int32, np.int64, np.ndarray))
            if not typed and value not in PRIMITIVES and value not in single_source._shared:
                found.append(f"{node.id} = {value!r}")
    return found


def test_every_formula_is_shared() -> None:
    for formula in FORMULAS.values():
        assert {formula.function, formula.float32, formula.float64} <= single_source._shared, formula.name


@pytest.mark.parametrize("function", TEXTS, ids=lambda f: f.__name__)
def test_formulas_are_straight_lines(function: Callable[..., Any]) -> None:
    assert impurities(function) == []


HALF = np.float64(0.5)


def with_literal(x: Any) -> Any:
    """Holds an untyped constant."""
    return x * 0.5


def with_branch(x: Any) -> Any:
    """Branches."""
    if x > HALF:
        x = HALF
    return x


def with_numpy(x: Any) -> Any:
    """Calls a function that is no primitive."""
    return np.exp(x)


def with_foreign_name(x: Any) -> Any:
    """Calls a function that is not shared."""
    return evaluate(x)


@pytest.mark.parametrize("function", [with_literal, with_branch, with_numpy, with_foreign_name])
def test_the_rule_notices(function: Callable[..., Any]) -> None:
    assert impurities(function)


# ---- sharing


def doubled_where_positive(x: Any) -> Any:
    """Straight-line text for both dtypes."""
    return primitives.where(x > primitives.like(x, 0.0), x * primitives.like(x, 2.1), x)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_share_any_function_twice(dtype: Any) -> None:
    assert single_source.share(doubled_where_positive) is doubled_where_positive
    assert single_source.share(doubled_where_positive) is doubled_where_positive
    single_source.tell_numba()
    call = numba.njit(lambda x: doubled_where_positive(x))
    for x in (dtype(1.7), dtype(-1.7)):
        assert same_bits(np.array([dtype(call(x))]), np.array([doubled_where_positive(x)]))
    (signature,) = call.nopython_signatures
    assert signature.return_type == numba.from_dtype(np.dtype(dtype))


def test_untyped_constants_are_an_error_where_they_would_promote() -> None:
    untyped = numba.njit(lambda x: primitives.where(x > x, x, 2.1))
    assert untyped(np.float64(1)) == 2.1
    with pytest.raises(TypingError, match="two values of one type, not float32 and"):
        untyped(np.float32(1))


def test_mixed_dtypes_are_an_error() -> None:
    call = numba.njit(lambda x, y: formulas.pow(x, y))
    with pytest.raises(TypingError, match="all alike"):
        call(np.float32(2), np.float64(2))


def test_pieces_of_two_over_pi_are_right() -> None:
    from fastnn.formulas.trigonometric import TWO_OVER_PI

    with mpmath.workprec(1500):
        assert int(mpmath.floor(mpmath.ldexp(2 / mpmath.pi, 1280))) == TWO_OVER_PI


def test_importing_the_formulas_imports_no_numba() -> None:
    script = "import sys, fastnn.formulas; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
