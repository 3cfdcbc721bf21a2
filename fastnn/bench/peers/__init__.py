"""The systems of the table, one file each, imported only when asked for.

A file offers ``train``, ``predict``, ``forward_propagation``, ``tutorial_loop`` and ``elementwise``, those it can do,
each taking ``(workload, problem, threads)`` and returning a ``Runner``. To add a system is to add a file and a line
here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    """Where a system lives.

    Attributes
    ----------
    name : str
        The name that ``systems=`` and ``--systems`` accept.
    module : str
        File in this package.
    distribution : str
        What pip installs.
    imports : str
        The package it imports.
    default : bool
        Part of a run that names no systems.
    """

    name: str
    module: str
    distribution: str
    imports: str
    default: bool = True


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System("fastnn", "ours", "fastnn", "fastnn"),
        System("fastnn-numpy", "ours_reference", "fastnn", "fastnn", default=False),
        System("fastnn-estimator", "ours_estimator", "scikit-learn", "sklearn"),
        System("numpy", "textbook", "numpy", "numpy"),
        System("torch", "torch_eager", "torch", "torch"),
        System("torch-compile", "torch_compiled", "torch", "torch"),
        System("jax-step", "jax_step", "jax", "jax"),
        System("jax-scan", "jax_scan", "jax", "jax"),
        System("scikit-learn", "scikit_learn", "scikit-learn", "sklearn"),
        System("onnxruntime", "onnx_runtime", "onnxruntime", "onnxruntime"),
    )
}
