"""Benchmarks: fastnn beside textbook NumPy, PyTorch, JAX, scikit-learn and onnxruntime, on the same work.

``run()`` measures and returns a ``BenchResult``; ``fastnn bench`` prints it. Every system gets the same
data, the same initial weights and the same minibatches in the same order, and its result is compared before
its time counts.

Examples
--------
>>> from fastnn import bench
>>> [w.name for w in bench.WORKLOADS][:2]
['xor', 'regression']
"""

from __future__ import annotations

from fastnn.bench.peers import SYSTEMS
from fastnn.bench.result import BenchResult, Entry, Row
from fastnn.bench.table import run
from fastnn.bench.workloads import WORKLOADS, Workload

__all__ = ["SYSTEMS", "WORKLOADS", "BenchResult", "Entry", "Row", "Workload", "run"]
