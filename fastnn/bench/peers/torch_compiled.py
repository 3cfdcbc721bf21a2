"""PyTorch with ``torch.compile`` around the forward pass and the loss; needs a C++ compiler."""

from __future__ import annotations

import torch

from fastnn.bench.data import Problem
from fastnn.bench.peers import torch_eager
from fastnn.bench.runner import Runner
from fastnn.bench.workloads import Workload


def train(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Train; the optimizer's step stays eager."""
    return torch_eager.train(workload, problem, threads, torch.compile)


def predict(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Send one row through the network."""
    return torch_eager.predict(workload, problem, threads, torch.compile)


def elementwise(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Sigmoid of an array."""
    return torch_eager.elementwise(workload, problem, threads, torch.compile)
