"""Softmax over the features of a sample: exp(z - max z) / sum(exp(z - max z)).

Its ordered loops over features live in the backends; this is the registration.
"""

from __future__ import annotations

from fastnn.activations import ACTIVATIONS, Activation

SOFTMAX = ACTIVATIONS.register("softmax", Activation("softmax", None, None, elementwise=False))
