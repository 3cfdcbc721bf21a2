"""Logarithm of softmax over the features of a sample: z - max z - log(sum(exp(z - max z))).

Its ordered loops over features live in the backends; this is the registration.
"""

from __future__ import annotations

from fastnn.activations import ACTIVATIONS, Activation

LOG_SOFTMAX = ACTIVATIONS.register("log_softmax", Activation("log_softmax", None, None, elementwise=False))
