"""fastnn's ``MLPClassifier``, called as scikit-learn's is, by the same code."""

from __future__ import annotations

from fastnn.bench.data import Problem
from fastnn.bench.peers.ours import set_threads
from fastnn.bench.peers.scikit_learn import train_classifier
from fastnn.bench.runner import Runner
from fastnn.bench.workloads import Workload
from fastnn.estimators import MLPClassifier


def train(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Train with Adam; only rows that ``scikit_learn`` does."""
    set_threads(threads)
    return train_classifier(MLPClassifier, workload, problem)
