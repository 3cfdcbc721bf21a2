"""scikit-learn's ``MLPClassifier``: one ``fit`` from the given weights, no early stop, no penalty."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from fastnn.bench.data import Problem, Weights
from fastnn.bench.runner import NotOffered, Runner
from fastnn.bench.workloads import Workload

ACTIVATIONS = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


def train(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Train with Adam; only rows whose output is softmax and whose optimizer is Adam."""
    return train_classifier(MLPClassifier, workload, problem)


def train_classifier(kind: Any, workload: Workload, problem: Problem) -> Runner:
    """Train a classifier of a class with scikit-learn's interface and attributes."""
    if workload.optimizer != "adam" or workload.output != "softmax" or workload.layered is not None:
        raise NotOffered("only the digits row")
    model = kind(
        hidden_layer_sizes=workload.sizes[1:-1], activation=ACTIVATIONS[workload.hidden], solver="adam",
        learning_rate_init=workload.learning_rate, batch_size=workload.batch, alpha=0.0, shuffle=False,
        max_iter=1, tol=0.0, n_iter_no_change=10**6, warm_start=True, random_state=0,
    )  # fmt: skip
    _fit(model, problem)

    def reset() -> None:
        # A warm start trains on from these attributes; fit() itself makes a fresh optimizer.
        model.coefs_ = [W.copy() for W, _ in problem.weights]
        model.intercepts_ = [b.copy() for _, b in problem.weights]
        model.n_iter_ = 0
        model.loss_curve_ = []

    def run(steps: int) -> None:
        model.set_params(max_iter=steps // workload.batches)
        _fit(model, problem)

    def result() -> Weights:
        return list(zip(model.coefs_, model.intercepts_))

    return Runner(run, result, reset)


def _fit(model: Any, problem: Problem) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(problem.X, problem.labels)
