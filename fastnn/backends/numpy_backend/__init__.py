"""The reference backend: NumPy, written to be read; the definition of every bit."""

from __future__ import annotations

from fastnn.backends.numpy_backend import random
from fastnn.backends.numpy_backend.activation import activation_backward, activation_forward
from fastnn.backends.numpy_backend.dense import dense_backward_input, dense_backward_weights, dense_forward
from fastnn.backends.numpy_backend.elementwise import apply_formula, first_outside, sigmoid
from fastnn.backends.numpy_backend.executor import NumpyExecutor as executor
from fastnn.backends.numpy_backend.finite import all_finite
from fastnn.backends.numpy_backend.loss import (
    loss_gradient,
    loss_value,
    softmax_crossentropy_gradient,
    softmax_crossentropy_value,
)
from fastnn.backends.numpy_backend.network import network_backward, network_forward
from fastnn.backends.numpy_backend.penalty import activity_penalty_gradient, activity_penalty_value
from fastnn.backends.numpy_backend.reduction import sum_row, sum_vector
from fastnn.backends.numpy_backend.repeated import gradients_function, network_function, small_cost, update_function
from fastnn.backends.numpy_backend.rows import row_function
from fastnn.backends.numpy_backend.update import (
    add_penalty_gradient,
    clip_by_norm,
    clip_by_value,
    mean_gradient,
    optimizer_update,
    penalty_sum,
)

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
