"""Backend against backend, textbook NumPy and installed peers: ``pytest benchmarks --benchmark-enable``.

Without ``--benchmark-enable`` every cell runs once. Cells of one row stand in one group; a system that is not
installed is skipped by name.
"""

from __future__ import annotations

import importlib
import importlib.util

import pytest

from fastnn.bench import SYSTEMS, WORKLOADS, data
from fastnn.bench.runner import NotOffered

# Seconds a step on the reference backend, or on everything.
SLOW = {w.name for w in WORKLOADS if w.flops * w.unit > 5e9 or (w.kind == "train" and w.name.endswith("-float64"))}
THREADS = 2


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name != "torch-compile"])
@pytest.mark.parametrize("workload", [w for w in WORKLOADS if w.name not in SLOW], ids=lambda w: w.name)
def test_step(benchmark, workload, system):
    if importlib.util.find_spec(SYSTEMS[system].imports) is None:
        pytest.skip(f"{system} is not installed")
    module = importlib.import_module(f"fastnn.bench.peers.{SYSTEMS[system].module}")
    if not hasattr(module, workload.kind):
        pytest.skip(f"{system} does not do {workload.kind!r}")
    problem = data.problem(workload)
    try:
        runner = getattr(module, workload.kind)(workload, problem, THREADS)
    except NotOffered as reason:
        pytest.skip(str(reason))
    runner.reset()
    runner.run(workload.unit)
    benchmark.group = f"{workload.title} ({workload.unit} steps)"
    benchmark(runner.run, workload.unit)
