"""The rows of ``fastnn bench``, one run each, on both backends; and how far apart the two end (0 ulp)."""

from __future__ import annotations

import numpy as np

from fastnn.bench import WORKLOADS, data
from fastnn.bench.peers import ours

from .common import BACKENDS, sizes

THREADS = 2
ROWS = {w.name: w for w in WORKLOADS}
TOO_LONG = {
    ("numpy", w.name)
    for w in WORKLOADS
    if w.flops * w.unit > 5e9 or (w.kind == "train" and w.name.endswith("-float64"))
}
"""Minutes on the reference backend, which defines the bits and does not hurry; what it does in float64 is no slower."""


def workload(name):
    """The row, made small where ``sizes`` says so."""
    row, limit = ROWS[name], sizes.row_limit
    if limit is None:
        return row
    return row.at_most(limit, batches=min(row.batches, 2), epochs=row.epochs and 1)


def runner(backend, name):
    """The row on a backend, warm."""
    row = workload(name)
    made = getattr(ours, row.kind)(row, data.problem(row), THREADS, backend)
    made.reset()
    made.run(row.unit)
    return row, made


class Rows:
    params = (BACKENDS, list(ROWS))
    param_names = ("backend", "row")

    def setup(self, backend, row):
        # asv shows NotImplementedError in setup as "n/a".
        if sizes.row_limit is None and (backend, row) in TOO_LONG:
            raise NotImplementedError("too long on the reference backend")
        self.row, self.runner = runner(backend, row)

    def time_run(self, backend, row):
        self.runner.run(self.row.unit)


class Bits:
    """The promise as a number: the largest distance between the backends' results, in ulp."""

    params = tuple(name for name in ROWS if ("numpy", name) not in TOO_LONG)
    param_names = ("row",)
    unit = "ulp"
    timeout = 300

    def track_ulp_distance(self, row):
        found = []
        for backend in BACKENDS:
            shape, made = runner(backend, row)
            result = made.result()
            arrays = [a for pair in result for a in pair] if shape.trains else [result]
            found.append([np.asarray(a) for a in arrays])
        return max(ulp_distance(a, b) for a, b in zip(*found))


def ulp_distance(a, b):
    """Largest distance of entries of ``a`` and ``b`` in representable numbers; -0.0 and +0.0 are 1 apart."""
    if a.dtype != b.dtype or a.shape != b.shape:
        raise ValueError(f"{a.dtype} {a.shape} against {b.dtype} {b.shape}")
    x, y = _ordered(a), _ordered(b)
    return int((np.maximum(x, y) - np.minimum(x, y)).max(initial=0))


def _ordered(array):
    """Unsigned integers in the order of the floats: those of negative floats are flipped."""
    unsigned = np.dtype(f"u{array.dtype.itemsize}")
    integers = np.ascontiguousarray(array).view(unsigned).ravel()
    sign = unsigned.type(1 << (8 * unsigned.itemsize - 1))
    return np.where(integers & sign, ~integers, integers | sign)
