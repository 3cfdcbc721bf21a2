"""The same number of threads for every system, as far as it can be set.

Most libraries read an environment variable when they are imported, so the variables are set before any peer
is; one that is imported already keeps what it has, and the table says so. NumPy's BLAS is limited while
running, through threadpoolctl where it is installed.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

LIBRARIES = ("jax", "torch", "numba", "onnxruntime", "sklearn")
"""Modules that read the variables at import."""


def set_environment(threads: int) -> list[str]:
    """Set the variables that choose the number of threads; return what can no longer be changed.

    Returns
    -------
    list of str
        A sentence for each library that was imported before.
    """
    count = str(threads)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[name] = count
    # XLA sizes its pool by NPROC; the flags choose whether one operation is split.
    os.environ["NPROC"] = count
    flags = [f for f in os.environ.get("XLA_FLAGS", "").split() if "cpu_multi_thread_eigen" not in f]
    flags = [f for f in flags if "intra_op_parallelism_threads" not in f]
    flags.append(f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}")
    os.environ["XLA_FLAGS"] = " ".join([*flags, f"intra_op_parallelism_threads={count}"])
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    loaded = [name for name in LIBRARIES if name in sys.modules]
    if "numba" not in loaded:
        # Numba may mask threads later but never go above the number it starts with.
        os.environ.setdefault("NUMBA_NUM_THREADS", str(max(threads, os.cpu_count() or 1)))
    return [f"{name} was imported before the number of threads was set" for name in loaded if name != "numba"]


def limit_blas(threads: int) -> tuple[AbstractContextManager[Any], list[str]]:
    """Return a context that limits the loaded BLAS libraries, and what is to be said about it."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext(), ["threadpoolctl is not installed: NumPy's BLAS keeps its own number of threads"]
    return threadpool_limits(limits=threads, user_api="blas"), []
