"""Activations: values against mpmath, derivatives against differences, compiled bits against NumPy's."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from formula_checks import (
    DTYPES,
    awkward,
    central_difference,
    check_parity,
    check_straight_line,
    evaluate,
)

from fastnn.activations import ACTIVATIONS, Activation, get
from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError

mp = mpmath.mp.clone()
mp.dps = 40

REFERENCES = {
    "linear": lambda z: z,
    "relu": lambda z: max(z, 0),
    "leaky_relu": lambda z: z if z > 0 else mp.mpf(0.2) * z,
    "elu": lambda z: z if z > 0 else mp.expm1(z),
    "selu": lambda z: mp.mpf("1.0507009873554805") * (z if z > 0 else mp.mpf("1.6732632423543772") * mp.expm1(z)),
    "gelu": lambda z: z * mp.ncdf(z),
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "hard_sigmoid": lambda z: min(max(z + 3, 0), 6) / 6,
    "tanh": lambda z: mp.tanh(z),
    "softplus": lambda z: mp.log1p(mp.exp(z)),
    "softsign": lambda z: z / (1 + abs(z)),
    "swish": lambda z: z / (1 + mp.exp(-z)),
    "mish": lambda z: z * mp.tanh(mp.log1p(mp.exp(z))),
    "exponential": lambda z: mp.exp(z),
}
ELEMENTWISE = [name for name in ACTIVATIONS if ACTIVATIONS[name].elementwise and name != "silu"]


def arguments(activation: Activation, dtype: type) -> tuple:
    return () if activation.alpha is None else (dtype(activation.alpha),)


def test_every_elementwise_activation_has_a_reference():
    assert set(REFERENCES) == set(ELEMENTWISE)
    assert {"softmax", "log_softmax", "silu"} == set(ACTIVATIONS) - set(ELEMENTWISE)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values_against_mpmath(name):
    activation = ACTIVATIONS[name]
    z = np.concatenate([[-30.0, -3.0, -1.0, -0.0, 0.0, 0.5, 1.0, 2.5, 30.0], np.linspace(-6, 6, 50)])
    a = evaluate(activation.forward, z, *arguments(activation, np.float64))
    expected = np.array([float(REFERENCES[name](mp.mpf(float(x)))) for x in z])
    # gelu's tail is right to an ulp of z * 1, as its docstring says
    atol = 1e-15 if name == "gelu" else 0
    np.testing.assert_allclose(a, expected, rtol=2e-15, atol=atol)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivative_against_central_differences(name):
    activation = ACTIVATIONS[name]
    alpha = arguments(activation, np.float64)
    z = np.random.default_rng(1).normal(size=300) * 4
    z = z[(abs(z) > 1e-3) & (abs(abs(z) - 3) > 1e-3)]
    a = evaluate(activation.forward, z, *alpha)
    d = evaluate(activation.derivative, z, a, *alpha)
    numeric = central_difference(lambda x: evaluate(activation.forward, x, *alpha), z)
    np.testing.assert_allclose(d, numeric, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_finite_inputs_never_give_nan(name, dtype):
    activation = ACTIVATIONS[name]
    z = awkward(dtype)
    z = z[np.isfinite(z)]
    a = evaluate(activation.forward, z, *arguments(activation, dtype))
    d = evaluate(activation.derivative, z, a, *arguments(activation, dtype))
    assert not np.isnan(a).any()
    assert not np.isnan(d).any()
    nan = np.array([np.nan], dtype)
    assert np.isnan(evaluate(activation.forward, nan, *arguments(activation, dtype))).all()


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.needs_jit
def test_compiled_bits_equal_numpys(name, dtype):
    activation = ACTIVATIONS[name]
    z = awkward(dtype)
    alpha = arguments(activation, dtype)
    check_parity(activation.forward, z, *alpha)
    check_parity(activation.derivative, z, evaluate(activation.forward, z, *alpha), *alpha)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_formulas_are_straight_lines(name):
    check_straight_line(ACTIVATIONS[name].forward)
    check_straight_line(ACTIVATIONS[name].derivative)


def test_kinks_take_the_documented_side():
    zero = np.array([0.0, -0.0])
    assert (ACTIVATIONS["relu"].derivative(zero, zero) == 0).all()
    assert (ACTIVATIONS["leaky_relu"].derivative(zero, zero, np.float64(0.2)) == 0.2).all()
    edges = np.array([-3.0, 3.0])
    assert (ACTIVATIONS["hard_sigmoid"].derivative(edges, edges) == 0).all()
    far = np.array([20.5, 1e3, 1e300])
    assert (ACTIVATIONS["mish"].derivative(far, far) == 1).all()
    assert not np.signbit(ACTIVATIONS["relu"].forward(zero)).any()


def test_get():
    assert get(None) is ACTIVATIONS["linear"]
    assert get("silu") is get("swish")
    own = Activation("own", np.abs, np.sign)
    assert get(own) is own
    with pytest.raises(UnknownNameError, match="did you mean 'relu'"):
        get("rellu")
    with pytest.raises(InvalidTypeError, match="Activation"):
        get(3)


def test_with_alpha():
    steep = get("leaky_relu").with_alpha(0.5)
    assert steep.alpha == 0.5
    assert steep.name == "leaky_relu"
    assert get("leaky_relu").alpha == 0.2
    with pytest.raises(InvalidValueError, match="'tanh' has no alpha"):
        get("tanh").with_alpha(1.0)
    with pytest.raises(InvalidValueError, match="finite"):
        get("elu").with_alpha(float("nan"))
    with pytest.raises(InvalidTypeError, match="number"):
        get("elu").with_alpha("much")
