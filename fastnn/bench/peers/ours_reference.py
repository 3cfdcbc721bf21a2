"""fastnn on the NumPy reference backend: the same bits as ``fastnn``, slower."""

from __future__ import annotations

from fastnn.bench.data import Problem
from fastnn.bench.peers import ours
from fastnn.bench.runner import Runner
from fastnn.bench.workloads import Workload


def train(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Train by the tutorial's loop (full batch) or by ``fit``."""
    return ours.train(workload, problem, threads, "numpy")


def predict(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Send a batch through the model."""
    return ours.predict(workload, problem, threads, "numpy")


def forward_propagation(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Call the tutorial's function of that name."""
    return ours.forward_propagation(workload, problem, threads, "numpy")


def tutorial_loop(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Call the tutorial's four functions in its loop."""
    return ours.tutorial_loop(workload, problem, threads, "numpy")


def elementwise(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Sigmoid of an array."""
    return ours.elementwise(workload, problem, threads, "numpy")
