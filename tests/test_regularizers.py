"""Regularizers: values by hand, gradient against central differences, compiled bits, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from formula_checks import DTYPES, awkward, central_difference, check_parity, check_straight_line

from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError
from fastnn.regularizers import L1, L1L2, L2, Regularizer, get, gradient, penalty


def test_penalty_and_gradient_by_hand():
    w = np.array([-2.0, -0.0, 0.0, 0.5])
    l1, l2 = np.float64(0.5), np.float64(0.25)
    assert penalty(w, l1, l2).tolist() == [2.0, 0.0, 0.0, 0.3125]
    assert gradient(w, l1, l2).tolist() == [-1.5, 0.0, 0.0, 0.75]


def test_gradient_against_central_differences():
    w = np.random.default_rng(0).normal(size=100)
    w = w[abs(w) > 1e-3]
    l1, l2 = np.float64(0.3), np.float64(0.7)
    np.testing.assert_allclose(gradient(w, l1, l2), central_difference(lambda x: penalty(x, l1, l2), w), rtol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.needs_jit
def test_compiled_bits_equal_numpys(dtype):
    for formula in (penalty, gradient):
        check_parity(formula, awkward(dtype), dtype(0.1), dtype(0.01))


def test_formulas_are_straight_lines():
    check_straight_line(penalty)
    check_straight_line(gradient)


def test_constructors_and_get():
    assert L1(0.1) == Regularizer(0.1, 0.0)
    assert L2(0.1) == Regularizer(0.0, 0.1)
    assert L1L2(0.1, 0.2) == Regularizer(0.1, 0.2)
    assert get(None) is None
    assert get(L1(0.3)) == L1(0.3)
    assert get("l1_l2") == L1L2(0.01, 0.01)
    with pytest.raises(UnknownNameError, match="did you mean 'l2'"):
        get("l22")
    with pytest.raises(InvalidTypeError, match="a regularizer is"):
        get(0.1)
    with pytest.raises(InvalidValueError, match="at least 0"):
        L1(-0.1)
    with pytest.raises(InvalidValueError, match="finite"):
        L2(float("inf"))
    with pytest.raises(InvalidTypeError, match="number"):
        L2("much")
