"""From scikit-learn's ``solver`` and its settings to an optimizer."""

from __future__ import annotations

import copy
from typing import Any

from fastnn import optimizers
from fastnn.optimizers import SGD, Adam, Optimizer


def optimizer_of(estimator: Any) -> Optimizer:
    """Return a new optimizer as the estimator's parameters describe it.

    A schedule as ``learning_rate`` takes the place of ``learning_rate_init``; the names that scikit-learn knows
    ("invscaling", "adaptive") start from it (see ``stopping.py``) and are for SGD alone.
    """
    solver = estimator.solver
    if isinstance(solver, Optimizer):
        return copy.deepcopy(solver)
    rate = estimator.learning_rate if callable(estimator.learning_rate) else float(estimator.learning_rate_init)
    if solver == "adam":
        return Adam(rate, float(estimator.beta_1), float(estimator.beta_2), float(estimator.epsilon))
    if solver == "sgd":
        return SGD(rate, float(estimator.momentum), bool(estimator.nesterovs_momentum))
    if solver == "lbfgs":
        return SGD(rate)  # never steps: L-BFGS drives the gradients from outside
    return optimizers.OPTIMIZERS[solver](learning_rate=rate)


def rate_kind(estimator: Any) -> str:
    """Return which of scikit-learn's rules changes the rate between epochs: "constant" for all but SGD's own two."""
    kind = estimator.learning_rate
    return kind if estimator.solver == "sgd" and not callable(kind) else "constant"
