"""What a user waits for before the first step: imports, and compiling (each in a new process)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from .common import BACKENDS

FIRST_FIT = """
import numpy as np, fastnn
layers = [fastnn.Dense(4, activation="sigmoid"), fastnn.Dense(1, activation="sigmoid")]
model = fastnn.Sequential(layers, seed=3)
model.compile(optimizer="sgd", loss="binary_crossentropy", backend={backend!r})
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
model.fit(X, np.array([[0], [1], [1], [0]], dtype=np.float32), epochs=1, batch_size=4, verbose=0)
"""


def seconds(program, cache=None):
    """Seconds that a new Python takes for ``program``, kernels cached in the folder ``cache``."""
    environment = dict(os.environ)
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = cache
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    return time.perf_counter() - start


class Import:
    unit = "seconds"

    def track_import_fastnn(self):
        return min(seconds("import fastnn") for _ in range(5))

    def track_import_numpy(self):
        """The yardstick."""
        return min(seconds("import numpy") for _ in range(5))


class FirstFit:
    """From the start of Python to a trained net, with an empty cache of kernels and with a filled one."""

    params = BACKENDS
    param_names = ("backend",)
    unit = "seconds"
    timeout = 300

    def track_empty_cache(self, backend):
        with tempfile.TemporaryDirectory() as folder:
            return seconds(FIRST_FIT.format(backend=backend), folder)

    def track_warm_cache(self, backend):
        seconds(FIRST_FIT.format(backend=backend))
        return min(seconds(FIRST_FIT.format(backend=backend)) for _ in range(3))
