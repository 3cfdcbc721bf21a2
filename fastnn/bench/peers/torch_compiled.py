"""PyTorch with ``torch.compile`` around the forward pass and the loss; needs a C++ compiler."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch

from fastnn.bench.data import Problem
from fastnn.bench.peers import torch_eager
from fastnn.bench.runner import NotOffered, Runner
from fastnn.bench.workloads import Workload


def compiler() -> Callable[[Any], Any]:
    """Return ``torch.compile`` with nothing compiled yet: it gives up on a function after a few rows' shapes."""
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++", "cl")):
        raise NotOffered("torch.compile needs a C++ compiler, and there is none here")
    torch.compiler.reset()
    return torch.compile


def train(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Train; the optimizer's step stays eager."""
    return torch_eager.train(workload, problem, threads, compiler())


def predict(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Send one row through the network."""
    return torch_eager.predict(workload, problem, threads, compiler())


def elementwise(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Sigmoid of an array."""
    return torch_eager.elementwise(workload, problem, threads, compiler())
