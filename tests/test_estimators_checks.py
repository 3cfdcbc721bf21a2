"""All of scikit-learn's checks of estimators: none fails, none is expected to, none is skipped."""

from __future__ import annotations

import os
import unittest

import numba
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastnn.estimators import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.needs_jit,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
"""The checks train for few epochs."""


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks, run a thousand times: threads would only wait for each other."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


@parametrize_with_checks(
    [
        MLPClassifier(max_iter=30, learning_rate_init=0.01),
        MLPRegressor(max_iter=30, learning_rate_init=0.01),
    ]
)
def test_scikit_learns_checks(estimator, check):
    assert os.environ["SCIPY_ARRAY_API"] == "1"  # or one check would skip itself
    try:
        check(estimator)
    except unittest.SkipTest as skipped:
        pytest.fail(f"skipped: {skipped}")
