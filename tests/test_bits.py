"""The guard is guarded: the comparison of bits fails for everything it must fail for."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits, ulp_distance

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
def test_equal_bits_pass(dtype):
    x = np.array([[0.0, -0.0, 1.0], [np.inf, np.nan, np.finfo(dtype).smallest_subnormal]], dtype)
    assert_same_bits(x, x.copy())
    assert_same_bits(x, np.asfortranarray(x))
    assert_same_bits(dtype(1.5), dtype(1.5))
    assert_same_bits(np.arange(3), np.arange(3))


@DTYPES
def test_one_ulp_fails(dtype):
    x = np.linspace(-1, 1, 12, dtype=dtype).reshape(3, 4)
    y = x.copy()
    y[1, 2] = np.nextafter(y[1, 2], dtype(2))
    with pytest.raises(AssertionError, match=r"weights: 1 of 12 elements differ, first at \(1, 2\)"):
        assert_same_bits(x, y, "weights")


@DTYPES
def test_sign_of_zero_fails(dtype):
    with pytest.raises(AssertionError, match="differ"):
        assert_same_bits(np.zeros(3, dtype), -np.zeros(3, dtype))


def test_other_dtype_fails():
    with pytest.raises(AssertionError, match="dtype"):
        assert_same_bits(np.ones(3, np.float32), np.ones(3))
    with pytest.raises(AssertionError, match="dtype"):
        assert_same_bits(np.ones(3, np.int64), np.ones(3))
    with pytest.raises(AssertionError, match="no array"):
        assert_same_bits(np.ones(()), 1.0)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (4,), (0,), ()])
def test_other_shape_fails(shape):
    with pytest.raises(AssertionError, match="shape"):
        assert_same_bits(np.ones(3), np.ones(shape))


@DTYPES
@pytest.mark.parametrize("number", [0.0, 1.0, np.inf])
def test_nan_against_a_number_fails(dtype, number):
    nan, one = np.full(2, np.nan, dtype), np.full(2, number, dtype)
    for pair in ((nan, one), (one, nan)):
        with pytest.raises(AssertionError, match="2 of 2"):
            assert_same_bits(*pair)
        with pytest.raises(AssertionError, match="NaN"):
            ulp_distance(*pair)


def test_nan_payloads_and_signs_pass():
    x = np.array([0x7FC00000, 0x7FC00001, 0xFFC00000, 0x7F800001], np.uint32).view(np.float32)
    assert np.isnan(x).all()
    assert_same_bits(x, np.full(4, np.nan, np.float32))


@DTYPES
def test_ulp_distance(dtype):
    one, tiny = np.array([1.0], dtype), np.finfo(dtype).smallest_subnormal
    assert ulp_distance(one, one) == 0
    assert ulp_distance(one, np.nextafter(one, dtype(2))) == 1
    assert ulp_distance(one, np.nextafter(one, dtype(0))) == 1
    assert ulp_distance(-one, np.nextafter(-one, dtype(0))) == 1
    assert ulp_distance(np.array([-0.0], dtype), np.array([0.0], dtype)) == 1
    assert ulp_distance(np.array([-tiny], dtype), np.array([tiny], dtype)) == 3
    assert ulp_distance(np.array([0.0, 1.0], dtype), np.array([tiny * 3, 1.0], dtype)) == 3
