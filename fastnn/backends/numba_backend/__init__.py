"""The fast backend: kernels compiled by Numba, the same bits as ``numpy_backend``.

Numba itself is imported when something has to be compiled, or a launch takes threads.
"""

from __future__ import annotations

from fastnn.backends.numba_backend import random
from fastnn.backends.numba_backend.elementwise import apply_formula, first_outside, sigmoid
from fastnn.backends.numba_backend.executor import NumbaExecutor as executor
from fastnn.backends.numba_backend.finite import all_finite
from fastnn.backends.numba_backend.functions import (
    activation_backward,
    activation_forward,
    activity_penalty_gradient,
    activity_penalty_value,
    add_penalty_gradient,
    clip_by_norm,
    clip_by_value,
    dense_backward_input,
    dense_backward_weights,
    dense_forward,
    loss_gradient,
    loss_value,
    mean_gradient,
    optimizer_update,
    penalty_sum,
    softmax_crossentropy_gradient,
    softmax_crossentropy_value,
    sum_row,
    sum_vector,
)
from fastnn.backends.numba_backend.network import network_backward, network_forward
from fastnn.backends.numba_backend.repeated import gradients_function, network_function, small_cost, update_function
from fastnn.backends.numba_backend.rows import row_function

__all__ = [
    "activation_backward",
    "activation_forward",
    "activity_penalty_gradient",
    "activity_penalty_value",
    "add_penalty_gradient",
    "all_finite",
    "apply_formula",
    "clip_by_norm",
    "clip_by_value",
    "dense_backward_input",
    "dense_backward_weights",
    "dense_forward",
    "executor",
    "first_outside",
    "gradients_function",
    "loss_gradient",
    "loss_value",
    "mean_gradient",
    "network_backward",
    "network_forward",
    "network_function",
    "optimizer_update",
    "penalty_sum",
    "random",
    "row_function",
    "sigmoid",
    "small_cost",
    "softmax_crossentropy_gradient",
    "softmax_crossentropy_value",
    "sum_row",
    "sum_vector",
    "update_function",
]
