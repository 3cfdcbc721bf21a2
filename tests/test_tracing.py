"""Custom functions: what is recorded, its derivative against high precision, its bits, and every refusal."""

import linecache
import math
import re
import traceback
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastnn import formulas
from fastnn.activations import ACTIVATIONS as ACTIVATION_TABLE
from fastnn.errors import InvalidTypeError
from fastnn.tracing import trace_activation, trace_loss

DTYPES = [np.float32, np.float64]
POINTS = [-np.inf, -90.0, -2.5, -1.0, -0.3, -1e-40, -0.0, 0.0, 1e-40, 0.3, 1.0, 2.5, 90.0, np.inf, np.nan]

# the text of a function of z, smooth apart from kinks
ACTIVATIONS = [
    "z",
    "3",
    "z > 0",
    "z / (1 + np.abs(z))",
    "1 / (1 + np.exp(-z))",
    "z / (1.0 + np.exp(-1.702 * z))",
    "np.log(1 + np.exp(z))",
    "np.log1p(np.exp(z))",
    "np.where(z > 0, z, 0.1 * z)",
    "np.where((z > -1) & ~(z >= 1) | (z == 3), z, np.zeros_like(z))",
    "np.where(z > 0, np.sqrt(z), 0)",
    "np.maximum(z, 0.2 * z) + np.minimum(1.5, z)",
    "np.fmax(z, 1.0) - np.fmin(z, 0.25)",
    "np.clip(0.2 * z + 0.5, 0, 1)",
    "np.sign(z) * np.log1p(np.fabs(z))",
    "np.heaviside(z, 0.5) * z",
    "(z > 0) * (z < 2) * z",
    "(z > 0).astype(z.dtype) * z",
    "0.5 * z * (1 + np.tanh(0.7978845608 * (z + 0.044715 * z**3)))",
    "z * np.tanh(np.log1p(np.exp(z)))",
    "z ** 5 - z ** 4 + z ** -3 + (1 + z * z) ** 0.5 + z ** 0 + z ** 1",
    "np.abs(z) ** 1.5 + 2 ** z + (1 + z * z) ** z + (2 + z) ** 70",
    "np.expm1(-np.square(z)) + np.reciprocal(2 + np.cos(z)) - np.sin(z)",
    "np.logaddexp(z, 0) + np.logaddexp(0.5, 2 * z)",
    "np.negative(z) + np.positive(z) * +z",
    "np.multiply(np.float64(2.0), z) - np.array([0.5]) + np.float32(0.1)",
    "np.where(np.isfinite(z), z, np.where(np.isnan(z) | np.isinf(z), -np.inf, np.nan))",
]


def function_of(text, names="z"):
    return eval(f"lambda {names}: {text}", {"np": np})


def same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype and a.shape == b.shape
    kind = f"i{a.dtype.itemsize}"
    equal = (a.view(kind) == b.view(kind)) | (np.isnan(a) & np.isnan(b))
    assert equal.all(), (a[~equal], b[~equal])


def define(source, names):
    """Return the functions of a traced text in another arithmetic."""
    namespace = dict(names)
    exec(source, namespace)
    return namespace


RATIONAL = {"like": lambda z, c: Fraction(c), "where": lambda c, a, b: a if c else b}
PRECISE = {
    "like": lambda z, c: mpmath.mpf(c),
    "where": lambda c, a, b: a if c else b,
    "inf": mpmath.inf,
    "nan": mpmath.nan,
    "sqrt": mpmath.sqrt,
    "exp": mpmath.exp,
    "expm1": lambda x: mpmath.exp(x) - 1,
    "log": mpmath.log,
    "log1p": lambda x: mpmath.log(1 + x),
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "log_sigmoid": lambda x: -mpmath.log(1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    "erf": mpmath.erf,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "pow": mpmath.power,
}


def check_derivative(source, point):
    """Compare the derivative with central differences, both in 60 digits."""
    with mpmath.workdps(60):
        functions = define(source, PRECISE)
        z, h = mpmath.mpf(point), mpmath.mpf(10) ** -20
        up, down = functions["forward"](z + h), functions["forward"](z - h)
        got = functions["derivative"](z, functions["forward"](z))
        expected = (up - down) / (2 * h)
        # third derivatives decide how far central differences are off: h**2 times a lot
        assert abs(got - expected) <= mpmath.mpf(10) ** -14 * (1 + abs(expected)), (got, expected)


@pytest.mark.parametrize("text", ACTIVATIONS)
def test_derivative_against_central_differences(text):
    source = trace_activation(function_of(text)).source
    for point in (-1.7, -0.6, 0.2, 0.9, 2.3):
        if point > -1 or "(2 + z) **" not in text:
            check_derivative(source, point)


UNARY = ["np.exp(-np.square({}))", "np.tanh({})", "np.abs({})", "-({})", "np.sin({})", "np.cos({})"]
UNARY += ["np.log1p(np.square({}))", "np.sqrt(1 + np.square({}))", "np.log(2 + np.cos({}))", "({}) ** 3"]
UNARY += ["np.expm1(np.sin({}))", "np.logaddexp({}, 0)", "(1.5 + np.tanh({})) ** 2.5", "1 / (1 + np.exp({}))"]
BINARY = ["({}) + ({})", "({}) - ({})", "({}) * ({})", "({}) / (2 + np.square({}))", "np.maximum({}, {})"]
BINARY += ["np.minimum({}, {})", "np.where(z > 0.1, {}, {})", "np.logaddexp({}, {})"]
RATIONAL_BINARY = [
    "({}) + ({})",
    "({}) - ({})",
    "({}) * ({})",
    "({}) / ({})",
    "np.where(({}) < ({}), z, 2 - z)",
]
NUMBERS = st.sampled_from(["z", "z", "z", "1", "-1", "0", "0.1", "-2.5", "7"])


def expressions(unary, binary):
    def deeper(inner):
        one = st.builds(str.format, st.sampled_from(unary), inner)
        return one | st.builds(str.format, st.sampled_from(binary), inner, inner)

    return st.recursive(NUMBERS, deeper, max_leaves=8)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=expressions(UNARY, BINARY), point=st.sampled_from([-1.37, -0.41, 0.23, 0.88, 1.61]))
def test_derivative_of_generated_expressions(text, point):
    source = trace_activation(function_of(text)).source
    check_derivative(source, point)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=expressions(["-({})", "({}) ** 2", "({}) ** -3", "abs({})"], RATIONAL_BINARY))
def test_rational_expressions_keep_numpys_bits_and_have_exact_derivatives(text):
    function = function_of(text)
    try:
        traced = trace_activation(function)
    except ZeroDivisionError:  # of two constants, in Python
        assume(False)
    if "**" not in text:  # NumPy's own powers are not multiplications
        for dtype in DTYPES:
            z = np.array(POINTS).astype(dtype)
            with np.errstate(all="ignore"):
                try:
                    expected = np.broadcast_to(np.asarray(function(z), dtype), z.shape)
                except ZeroDivisionError:
                    assume(False)
                same_bits(traced.forward(z), expected)
    exact = define(traced.source, RATIONAL)
    z, h = Fraction(137, 411), Fraction(1, 10**30)
    try:
        forward = exact["forward"]
        expected = (forward(z + h) - forward(z - h)) / (2 * h)
        got = exact["derivative"](z, forward(z))
    except ZeroDivisionError:
        assume(False)
    assert abs(got - expected) <= Fraction(1, 10**12) * (1 + abs(expected))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", ACTIVATIONS)
def test_forward_is_the_users_function(text, dtype):
    function = function_of(text)
    traced = trace_activation(function)
    z = np.linspace(-4, 4, 33).astype(dtype)  # -4, -3.75, ...: powers of z stay finite
    with np.errstate(all="ignore"):
        a = traced.forward(z)
        slope = traced.derivative(z, a)
        expected = np.broadcast_to(np.asarray(function(z), dtype), z.shape)
        np.testing.assert_allclose(a, expected, rtol=200 * np.finfo(dtype).eps, atol=200 * np.finfo(dtype).eps)
    for result in (a, slope):
        assert result.dtype == dtype and result.shape == z.shape
    with np.errstate(all="ignore"):
        scalar = traced.forward(z[3])
    same_bits(np.asarray(scalar), np.asarray(a[3]))


def compiled(function):
    """Return the loop over a pair of arrays that compiled code runs."""
    import numba

    from fastnn.backends.numba_backend.single_source import share, tell_numba

    share(function)
    tell_numba()

    @numba.njit(error_model="numpy")
    def run(first, second, result):
        for i in range(result.size):
            result[i] = function(first[i], second[i])

    return run


# every operation and formula once; a few seconds of compiling
COMPILED = ["3", "z + z * ((z > -1) & ~(z >= 1) | (z == 3))", "np.where(z > 0, np.sqrt(z), -np.inf) / z"]
COMPILED += [
    "np.sign(z) * np.log1p(np.fabs(z)) + np.clip(z, -1, np.nan)",
    "np.log(1 + np.exp(z)) - np.tanh(z)",
]
COMPILED += [text for text in ACTIVATIONS if "** 1.5" in text or "np.expm1" in text or "np.logaddexp" in text]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", COMPILED)
@pytest.mark.needs_jit
def test_numba_gives_the_same_bits(text, dtype):
    traced = trace_loss(function_of(text.replace("z", "p"), "y, p"))
    p = np.array([*POINTS, *np.linspace(-4, 4, 50)]).astype(dtype)
    y = p[::-1].copy()
    for function in (traced.value, traced.derivative):
        result = np.empty_like(p)
        with np.errstate(all="ignore"):
            compiled(function)(y, p, result)
            same_bits(function(y, p), result)


@pytest.mark.needs_jit
def test_numba_reuses_the_activation_and_reads_targets():
    activation, loss = (
        trace_activation(np.tanh),
        trace_loss(lambda y, p: np.where(y > p, y - p, (y - p) ** 2)),
    )
    z = np.linspace(-2, 2, 20, dtype=np.float32)
    a, result = activation.forward(z), np.empty_like(z)
    for function, first, second in (
        (activation.derivative, z, a),
        (loss.value, z, a),
        (loss.derivative, z, a),
    ):
        compiled(function)(first, second, result)
        same_bits(function(first, second), result)


def slope_at(function, *points):
    traced = trace_activation(function)
    z = np.array(points)
    with np.errstate(all="ignore"):
        return traced.derivative(z, traced.forward(z)).tolist()


def test_derivatives_at_kinks():
    assert slope_at(np.abs, -2.0, -0.0, 0.0, 2.0) == [-1, 0, 0, 1]
    assert slope_at(lambda z: np.maximum(z, 0), -1.0, 0.0, 1.0) == [0, 1, 1]  # the first argument wins a tie
    assert slope_at(lambda z: np.maximum(0, z), -1.0, 0.0, 1.0) == [0, 0, 1]
    assert slope_at(lambda z: np.minimum(z, 0), -1.0, 0.0, 1.0) == [1, 1, 0]
    assert slope_at(lambda z: np.minimum(0, z), -1.0, 0.0, 1.0) == [1, 0, 0]
    assert slope_at(np.sign, -1.0, 0.0, 1.0) == [0, 0, 0]
    assert slope_at(lambda z: np.clip(z, 0, 1), -1.0, 0.0, 0.5, 1.0, 2.0) == [0, 1, 1, 1, 0]
    assert slope_at(lambda z: np.where(z > 0, np.sqrt(z), 0), -1.0, 0.0, 4.0) == [0, 0, 0.25]
    assert slope_at(lambda z: np.where(z != 0, np.sin(z) / z, 1), 0.0) == [0]
    assert slope_at(lambda z: np.heaviside(z, 0.5), -1.0, 0.0, 1.0, np.nan) == [0, 0, 0, 0]
    assert slope_at(lambda z: 0.0**z, 2.0) == [0]  # although log(0) is -inf


def test_special_values_follow_numpy():
    z = np.array([-np.inf, -1.0, 0.0, 1.0, np.inf, np.nan])
    for function in (
        *(np.sign, np.abs, np.square, np.isnan, np.isfinite, np.isinf),
        lambda z: np.maximum(z, 0.5),
        lambda z: np.minimum(0.5, z),
        lambda z: np.fmax(z, 0.5),
        lambda z: np.fmin(0.5, z),
        lambda z: np.clip(z, None, 0.5),
        lambda z: z.clip(-0.5),
        lambda z: np.heaviside(z, 0.5),
    ):
        same_bits(trace_activation(function).forward(z), function(z).astype(float))


def test_a_logistic_written_by_hand_stays_finite():
    points = (-1000.0, -30.0, 0.0, 1000.0)
    expected = [0.0, pytest.approx(math.exp(-30), rel=1e-12), 0.25, 0.0]
    assert slope_at(lambda z: 1 / (1 + np.exp(-z)), *points) == expected
    assert slope_at(lambda z: (np.exp(-z) + 1) ** -1, *points) == expected
    assert slope_at(lambda z: z / (1 + np.exp(-z)), -1000.0, 0.0, 1000.0) == [0.0, 0.5, 1.0]
    assert slope_at(lambda z: np.log(1 + np.exp(z)), -1000.0, 0.0, 1000.0) == [0.0, 0.5, 1.0]
    assert slope_at(lambda z: np.log1p(np.exp(z)), -1000.0, 0.0, 1000.0) == [0.0, 0.5, 1.0]


def test_source_is_short_and_shares_subexpressions():
    assert trace_activation(np.tanh).source == (
        "def forward(z):\n    return tanh(z)\n\n\n"
        "def derivative(z, a):\n    return like(z, 1.0) - (a * a)\n"
    )  # fmt: skip
    source = trace_activation(lambda z: np.exp(z * z) + np.exp(z * z) * np.sin(z * z)).source
    assert source.split("def derivative")[0].count("exp(") == 1
    assert source.count("z * z") == 2  # once in each function
    assert "1.0" not in trace_activation(lambda z: z * 1 / 1 * -1 - 0).source.split("def derivative")[0]
    assert "-" not in trace_activation(lambda z: -np.negative(z)).source.split("def derivative")[0]


def test_rewrites_keep_zeros_and_infinities():
    z = np.array([-0.0, 0.0, np.inf, -np.inf, np.nan])
    for function in (
        lambda z: z + 0,
        lambda z: 0 - z,
        lambda z: z - 0,
        lambda z: z - (-0.0),
        lambda z: -np.negative(z) / 1,
        lambda z: z * -1,
        lambda z: z * 0 + 1,
    ):
        with np.errstate(invalid="ignore"):
            same_bits(trace_activation(function).forward(z), function(z))


@pytest.mark.parametrize("n", [2, 3, 7, 10, 64, -1, -4])
def test_powers_are_multiplications_in_the_documented_order(n):
    z = np.array([-1.3, 0.7, 1.01, 3.0])
    expected = z
    for bit in bin(abs(n))[3:]:
        expected = expected * expected
        expected = expected * z if bit == "1" else expected
    traced = trace_activation(lambda z: z**n)
    same_bits(traced.forward(z), 1 / expected if n < 0 else expected)
    assert "pow" not in traced.source
    assert "pow" in trace_activation(lambda z: z**65).source


def test_derivative_written_by_hand():
    pair = (np.tanh, lambda z, a: 1 - a * a)
    assert trace_activation(pair).source == trace_activation(np.tanh).source
    traced = trace_activation((np.abs, lambda z: np.where(z < 0, -1, 1)))
    assert traced.derivative(np.array([-1.0, 0.0]), None).tolist() == [-1, 1]
    loss = trace_loss((lambda y, p: np.sum((y - p) ** 2, axis=-1), lambda y, p: 2 * (p - y)))
    assert not loss.mean
    assert loss.derivative(np.array([1.0]), np.array([4.0])).tolist() == [6.0]


Y = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.25]])
P = np.array([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("text", "term", "slope", "mean"),
    [
        ("np.mean((y - p)**2, axis=-1)", (Y - P) ** 2, 2 * (P - Y), True),
        ("np.mean((y - p)**2)", (Y - P) ** 2, 2 * (P - Y), True),
        ("(y - p)**2", (Y - P) ** 2, 2 * (P - Y), True),
        ("np.square(y - p).mean(-1)", (Y - P) ** 2, 2 * (P - Y), True),
        ("-np.sum(y * np.log(p), axis=-1)", -Y * np.log(P), -Y / P, False),
        ("-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=-1)", None, -Y / P + (1 - Y) / (1 - P), False),
        ("0.5 * np.mean(np.abs(y - p), -1) * 3 / 2", 0.75 * abs(Y - P), 0.75 * np.sign(P - Y), True),
        ("np.float64(2) * np.sum(p, axis=-1) - np.sum(y, axis=-1)", 2 * P - Y, 2 + 0 * P, False),
        ("1 - np.mean(y * p, axis=-1)", 1 - Y * P, -Y, True),
        ("np.negative(np.sum(p * y, axis=-1))", -P * Y, -Y, False),
        (
            "np.where(abs(y - p) < 0.3, 0.5 * (y - p)**2, 0.3 * abs(y - p) - 0.045)",
            None,
            np.clip(P - Y, -0.3, 0.3),
            True,
        ),
        ("np.sum(y, axis=-1)", Y, 0 * Y, False),
        ("1", 1 + 0 * Y, 0 * Y, True),
    ],
)
def test_losses(text, term, slope, mean, dtype):
    traced = trace_loss(function_of(text, "y, p"))
    y, p = Y.astype(dtype), P.astype(dtype)
    value, derivative = traced.value(y, p), traced.derivative(y, p)
    assert value.dtype == derivative.dtype == dtype and value.shape == derivative.shape == y.shape
    assert traced.mean is mean
    if term is not None:
        np.testing.assert_allclose(value, term, rtol=3e-6)
    np.testing.assert_allclose(derivative, slope, rtol=3e-6)


def branch(z):
    if z > 0:
        return z
    return 0


def assign(z):
    z[z < 0] = 0
    return z


def traceable(activation):
    return activation.elementwise and activation.alpha is None


REFUSED = {
    "truth test": branch,
    "np.where(condition, a, b)": lambda z: 0 < z < 1,
    "max()": lambda z: max(z, 0),
    "np.exp instead of math.exp": lambda z: math.exp(z),
    "float()": lambda z: float(z),
    "int() or use": lambda z: int(z),
    "rounding": lambda z: math.floor(z),
    "complex()": lambda z: complex(z),
    "iteration": lambda z: [x for x in z],
    "len()": lambda z: len(z),
    "indexing": lambda z: z[0],
    "z = np.where(condition, new, z)": assign,
    "'in'": lambda z: 1 in z,
    "conversion to an array": lambda z: np.asarray(z) * 2,
    "conversion to an array met": lambda z: np.sum([z, z]),
    "@": lambda z: z @ z,
    "// or %": lambda z: z % 2,
    "^": lambda z: z ^ 2,
    "<<": lambda z: z << 2,
    "& and |": lambda z: z & (z > 0),
    "~ inverts": lambda z: ~z,
    "attribute .shape": lambda z: z.shape,
    "look at the dtype": lambda z: z.dtype == np.float32,
    "astype": lambda z: z.astype(np.int64),
    "np.floor met.*accepted NumPy functions: absolute, add,.* tanh, where": lambda z: np.floor(z),
    "np.cumsum met.*accepted NumPy functions": lambda z: np.cumsum(z),
    "np.add.reduce": lambda z: np.add.reduce(z),
    "np.exp with out=": lambda z: np.exp(z, out=z),
    "np.clip with casting=": lambda z: np.clip(z, 0, 1, casting="no"),
    "np.where without": lambda z: np.where(z > 0),
    "array of shape (3,)": lambda z: z * np.ones(3),
    "a NoneType met": lambda z: z == None,  # noqa: E711
    "a str met": lambda z: z + "a",
    "a complex met": lambda z: z * 1j,
    "too large for a float": lambda z: z * 10**400,
    "returned a NoneType.*is its return missing": lambda z: None,
    "returned a list": lambda z: [z],
    "returned a ndarray": lambda z: np.ones(3),
    "one argument, z; <lambda> does not": lambda z, alpha: z,
    "mean or sum met in an activation": lambda z: np.mean(z),
    "mean with axis=0.*accepted: axis=-1": lambda z: z.mean(axis=0),
    "sum with axis=None.*accepted: axis=-1": lambda z: np.sum(z),
    "mean with axis=-1, keepdims=True": lambda z: np.mean(z, axis=-1, keepdims=True),
    "must be the last step": lambda z: z - np.mean(z, axis=-1),
    "be the last step": lambda z: np.mean(z, axis=-1) - z,
    "the last step": lambda z: np.sqrt(np.mean(z, axis=-1)),
    "last step": lambda z: np.mean(z) * np.mean(z),
    "step of a traced loss": lambda z: np.sum(z, axis=-1) + 1,
    "step of a traced": lambda z: np.mean(z) ** 2,
    "accepted after it": lambda z: np.where(np.mean(z) > 0, z, 1),
    "a int cannot be traced": 3,
    "a tuple cannot be traced": (np.tanh, 3),
    "z, or z and a; <lambda> does not": (np.tanh, lambda z, a, b: z),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals_say_what_was_met(message):
    pattern = ".*".join(re.escape(part) for part in message.split(".*"))
    with pytest.raises(InvalidTypeError, match=pattern):
        trace_activation(REFUSED[message])


def test_values_of_an_earlier_call_are_refused():
    kept = []
    trace_activation(lambda z: kept.append(z) or z)
    with pytest.raises(InvalidTypeError, match="kept from an earlier call"):
        trace_activation(lambda z: kept[0] * z)


def test_refusals_of_losses():
    with pytest.raises(InvalidTypeError, match="two arguments, y and p; <lambda> does not"):
        trace_loss(lambda y: y)
    with pytest.raises(InvalidTypeError, match="mean or sum met in an activation or a derivative"):
        trace_loss((lambda y, p: (y - p) ** 2, lambda y, p: np.mean(p - y, axis=-1)))


def test_errors_of_the_function_itself_pass_through():
    with pytest.raises(NameError, match="undefined"):
        trace_activation(lambda z: undefined * z)  # noqa: F821


def test_tracebacks_show_the_generated_line():
    traced = trace_activation(lambda z: np.exp(z) + 1)
    linecache.checkcache()
    try:
        traced.forward("not an array")
    except AttributeError:
        assert "return exp(z) + like(z, 1.0)" in traceback.format_exc()


def test_compiled_functions_are_traced_by_their_text():
    import numba

    assert trace_activation(numba.njit(lambda z: z * 2)).source == trace_activation(lambda z: z * 2).source


@pytest.mark.parametrize("name", [name for name in ACTIVATION_TABLE if traceable(ACTIVATION_TABLE[name])])
def test_own_activations_have_the_derivative_that_tracing_finds(name):
    activation = ACTIVATION_TABLE[name]
    traced = trace_activation(activation.forward)
    z = np.array([-3.1, -0.7, 0.4, 1.9, 2.6])
    a = traced.forward(z)
    same_bits(a, activation.forward(z))
    np.testing.assert_allclose(traced.derivative(z, a), activation.derivative(z, a), rtol=1e-13, atol=1e-15)


def test_formulas_can_be_called():
    for name, formula in formulas.FORMULAS.items():
        if formula.arity == 1:
            source = trace_activation(formula.function).source
            assert source.startswith(f"def forward(z):\n    return {name}(z)\n")
            check_derivative(source, 0.4)
