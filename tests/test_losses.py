"""Losses: terms against plain mathematics, derivatives against differences, compiled bits."""

from __future__ import annotations

import math

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

from fastnn import losses
from fastnn.activations import ACTIVATIONS
from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError
from fastnn.losses import LOSSES, Loss, get


def clip(p, low, high):
    return min(max(p, low), high)


def binary(y, p):
    p = clip(p, 1e-7, 1 - 1e-7)
    return -(y * math.log(p) + (1 - y) * math.log(1 - p))


def categorical(y, p):
    return -y * math.log(clip(p, 1e-7, 1 - 1e-7))


def divergence(y, p):
    y, p = clip(y, 1e-7, 1), clip(p, 1e-7, 1)
    return y * math.log(y / p)


# name: (term, targets, lowest and highest prediction to try)
REFERENCES = {
    "mean_squared_error": (lambda y, p: (p - y) ** 2, [-1.5, 0.0, 2.0], -4, 4),
    "mean_absolute_error": (lambda y, p: abs(p - y), [-1.5, 0.0, 2.0], -4, 4),
    "huber": (
        lambda y, p: (p - y) ** 2 / 2 if abs(p - y) <= 1 else abs(p - y) - 0.5,
        [-1.5, 0.0, 2.0],
        -4,
        4,
    ),
    "log_cosh": (lambda y, p: math.log(math.cosh(p - y)), [-1.5, 0.0, 2.0], -4, 4),
    "hinge": (lambda y, p: max(0.0, 1 - (y or -1.0) * p), [-1.0, 0.0, 1.0], -4, 4),
    "poisson": (lambda y, p: p - y * math.log(p + 1e-7), [0.0, 1.0, 5.0], 0.05, 6),
    "kl_divergence": (divergence, [0.0, 0.3, 1.0], 0.01, 0.99),
    "binary_crossentropy": (binary, [0.0, 0.3, 1.0], 0.01, 0.99),
    "binary_crossentropy_from_logits": (
        lambda y, z: binary(y, 1 / (1 + math.exp(-z))),
        [0.0, 0.3, 1.0],
        -6,
        6,
    ),
    "categorical_crossentropy": (categorical, [0.0, 0.3, 1.0], 0.01, 0.99),
    "sparse_categorical_crossentropy": (categorical, [0.0, 1.0], 0.01, 0.99),
    "crossentropy_cost": (binary, [0.0, 0.3, 1.0], 0.01, 0.99),
}
ALIASES = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}
ELEMENTWISE = [name for name in LOSSES if LOSSES[name].sample_wise is None and name not in ALIASES]
FUSED = [(name, activation) for name in ELEMENTWISE for activation in LOSSES[name].fused]


def delta_of(loss: Loss, dtype: type = np.float64) -> tuple:
    return () if loss.delta is None else (dtype(loss.delta),)


def grid(name):
    """Return targets and predictions away from the kinks, every target with every prediction."""
    _, targets, low, high = REFERENCES[name]
    p = np.random.default_rng(3).uniform(low, high, size=60)
    y, p = (a.ravel() for a in np.meshgrid(targets, p))
    smooth = (abs(p - y) > 1e-3) & (abs(abs(p - y) - 1) > 1e-3) & (abs(abs(p) - 1) > 1e-3)
    return y[smooth], p[smooth]


def test_every_loss_has_a_reference():
    assert set(REFERENCES) == set(ELEMENTWISE)
    for alias, name in ALIASES.items():
        assert LOSSES[alias] is LOSSES[name]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_terms_against_plain_mathematics(name):
    loss = LOSSES[name]
    y, p = grid(name)
    expected = [REFERENCES[name][0](*pair) for pair in zip(y.tolist(), p.tolist())]
    np.testing.assert_allclose(evaluate(loss.value, y, p, *delta_of(loss)), expected, rtol=1e-13, atol=2e-15)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivative_against_central_differences(name):
    loss = LOSSES[name]
    y, p = grid(name)
    delta = delta_of(loss)
    numeric = central_difference(lambda x: evaluate(loss.value, y, x, *delta), p)
    np.testing.assert_allclose(evaluate(loss.derivative, y, p, *delta), numeric, rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "activation"), FUSED)
def test_fused_forms_equal_the_chain(name, activation):
    loss, output = LOSSES[name], ACTIVATIONS[activation]
    value, derivative = loss.fused[activation]
    z = np.linspace(-4, 4, 41)
    for target in REFERENCES[name][1]:
        y = np.full_like(z, target)
        a = evaluate(output.forward, z)
        # 1e-6: poisson adds its epsilon only where it is not fused
        np.testing.assert_allclose(evaluate(value, y, z), evaluate(loss.value, y, a), rtol=3e-5, atol=1e-7)
        numeric = central_difference(lambda x, y=y: evaluate(value, y, x), z)
        np.testing.assert_allclose(evaluate(derivative, y, z, a), numeric, rtol=1e-7, atol=1e-8)


def test_fused_binary_crossentropy_is_exact_where_probabilities_saturate():
    value, derivative = LOSSES["binary_crossentropy"].fused["sigmoid"]
    z = np.array([800.0, -800.0, 800.0, -800.0])
    y = np.array([0.0, 1.0, 1.0, 0.0])
    a = evaluate(ACTIVATIONS["sigmoid"].forward, z)
    assert evaluate(value, y, z).tolist() == [800.0, 800.0, 0.0, 0.0]
    assert evaluate(derivative, y, z, a).tolist() == [1.0, -1.0, 0.0, 0.0]


def test_clipped_losses_are_finite_and_flat_beyond_the_clip():
    for name in ("binary_crossentropy", "categorical_crossentropy", "kl_divergence"):
        loss = LOSSES[name]
        y, p = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, -3.0, 1.5])
        assert np.isfinite(evaluate(loss.value, y, p)).all()
        outside = (p < 1e-7) | (p > 1)
        assert (evaluate(loss.derivative, y, p)[outside] == 0).all()
        assert np.isnan(evaluate(loss.derivative, np.ones(1), np.array([np.nan]))).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_cost_is_never_nan_for_probabilities(dtype):
    cost = LOSSES["crossentropy_cost"]
    y, p = (a.ravel().astype(dtype) for a in np.meshgrid([0.0, 0.25, 1.0], [0.0, 1e-30, 0.5, 1.0]))
    value = evaluate(cost.value, y, p)
    assert not np.isnan(value).any()
    assert (value[((y == 0) & (p == 0)) | ((y == 1) & (p == 1))] == 0).all()
    assert np.isinf(value[((y == 1) & (p == 0)) | ((y == 0) & (p == 1))]).all()
    fused = evaluate(cost.fused["sigmoid"][0], y, p)
    expected = evaluate(cost.value, y, evaluate(ACTIVATIONS["sigmoid"].forward, p))
    assert fused.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.needs_jit
def test_compiled_bits_equal_numpys(name, dtype):
    loss = LOSSES[name]
    p = awkward(dtype)
    p[30:130] = np.random.default_rng(5).uniform(size=100)
    y = np.resize(np.array([0.0, 1.0, -1.0, 0.3, 5.0], dtype), p.size)
    check_parity(loss.value, y, p, *delta_of(loss, dtype))
    check_parity(loss.derivative, y, p, *delta_of(loss, dtype))


@pytest.mark.parametrize(("name", "activation"), FUSED)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.needs_jit
def test_compiled_bits_of_fused_forms_equal_numpys(name, activation, dtype):
    value, derivative = LOSSES[name].fused[activation]
    z = awkward(dtype)
    y = np.resize(np.array([0.0, 1.0, 0.3], dtype), z.size)
    check_parity(value, y, z)
    check_parity(derivative, y, z, evaluate(ACTIVATIONS[activation].forward, z))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_formulas_are_straight_lines(name):
    loss = LOSSES[name]
    formulas = [loss.value, loss.derivative, *(f for pair in loss.fused.values() for f in pair)]
    for formula in formulas:
        check_straight_line(formula)


def test_sample_wise_losses_name_their_kernel():
    for name in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        assert LOSSES[name].fused_sample_wise == {"softmax": "softmax_crossentropy"}
        logits = LOSSES[f"{name}_from_logits"]
        assert logits.sample_wise == "softmax_crossentropy"
        assert logits.from_logits
        assert logits.value is None
        assert logits.labels == LOSSES[name].labels == name.startswith("sparse")


def test_sums_and_means():
    summed = {name for name in LOSSES if not LOSSES[name].mean}
    assert summed == {"crossentropy_cost", "kl_divergence"} | {n for n in LOSSES if "categorical" in n}


def test_keras_names():
    assert losses.BinaryCrossentropy() is LOSSES["binary_crossentropy"]
    assert losses.BinaryCrossentropy(from_logits=True) is LOSSES["binary_crossentropy_from_logits"]
    assert losses.CategoricalCrossentropy(True) is LOSSES["categorical_crossentropy_from_logits"]
    assert losses.SparseCategoricalCrossentropy() is LOSSES["sparse_categorical_crossentropy"]
    plain = {
        losses.MeanSquaredError: "mse",
        losses.MeanAbsoluteError: "mae",
        losses.LogCosh: "log_cosh",
        losses.Hinge: "hinge",
        losses.Poisson: "poisson",
        losses.KLDivergence: "kl_divergence",
    }
    for constructor, name in plain.items():
        assert constructor() is LOSSES[name]
    assert losses.Huber(2.0).delta == 2.0
    assert LOSSES["huber"].delta == 1.0


def test_huber_by_hand():
    huber = losses.Huber(2.0)
    y, p = np.zeros(4), np.array([1.0, -2.0, 3.0, -5.0])
    assert huber.value(y, p, np.float64(2.0)).tolist() == [0.5, 2.0, 4.0, 8.0]
    assert huber.derivative(y, p, np.float64(2.0)).tolist() == [1.0, -2.0, 2.0, -2.0]


def test_bad_input():
    with pytest.raises(UnknownNameError, match="did you mean 'huber'"):
        get("hubert")
    with pytest.raises(InvalidTypeError, match="a loss is a name or Loss"):
        get(None)
    with pytest.raises(InvalidValueError, match="positive"):
        losses.Huber(0.0)
    with pytest.raises(InvalidValueError, match="'hinge' has no delta"):
        LOSSES["hinge"].with_delta(1.0)
    with pytest.raises(InvalidTypeError, match="number"):
        LOSSES["huber"].with_delta(None)
    assert len({get("huber"), get("mse"), get("mse")}) == 2
