"""Activations: one file each, holding the function and its derivative as formulas.

An elementwise activation is a pair of straight-line formulas (see ``fastnn.formulas.primitives``)::

    forward(z)        or forward(z, alpha)          -> a
    derivative(z, a)  or derivative(z, a, alpha)    -> da/dz

that NumPy evaluates on arrays and the Numba backend compiles on scalars. ``softmax`` and ``log_softmax`` work on a
whole sample (``elementwise=False``); their loops over features live in the backends under the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnn.registry import Registry


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes
    ----------
    name : str
        The name that layers accept.
    forward, derivative : callable
        The formulas above; ``None`` for an activation over a whole sample.
    alpha : float or None
        Default of the one shape parameter, ``None`` for activations without.
    elementwise : bool
        False when each output depends on all features of the sample.
    """

    name: str
    forward: Callable[..., Any] | None
    derivative: Callable[..., Any] | None
    alpha: float | None = None
    elementwise: bool = True


ACTIVATIONS: Registry[Activation] = Registry("activation", "fastnn.activations")
