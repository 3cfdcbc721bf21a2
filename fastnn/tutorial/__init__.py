"""The classic tutorial's functions, drop-in: a network written by hand gets compiled kernels.

Samples are columns: X (features, N), Y (outputs, N), W (units, features), b (units, 1), any depth W1 ... WL.
Everything is computed in float32 if every array of floats passed is float32 or float16, else in float64;
integers follow, lists count as float64. Any strides and read-only arrays are accepted, and nothing passed is
changed. ``backend=`` is a name or module, by default the one in force (``fastnn.set_backend``); the bits are
the same with each.
"""

from __future__ import annotations

from fastnn.tutorial.descent import gradient_descent, update_parameters
from fastnn.tutorial.passes import backward_propagation, compute_cost, forward_propagation, sigmoid
from fastnn.tutorial.start import initialize_parameters

__all__ = [
    "backward_propagation",
    "compute_cost",
    "forward_propagation",
    "gradient_descent",
    "initialize_parameters",
    "sigmoid",
    "update_parameters",
]
