"""Activations: one file each, holding the function and its derivative as formulas.

An elementwise activation is a pair of straight-line formulas (see ``fastnn.formulas.primitives``)::

    forward(z)        or forward(z, alpha)          -> a
    derivative(z, a)  or derivative(z, a, alpha)    -> da/dz

that NumPy evaluates on arrays and the Numba backend compiles on scalars; ``alpha`` arrives in the dtype of
``z``. ``softmax`` and ``log_softmax`` work on a whole sample (``elementwise=False``); their loops over
features live in the backends under the same names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
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

    def with_alpha(self, alpha: float) -> Activation:
        """Return the same activation with another shape parameter.

        Parameters
        ----------
        alpha : float
            A finite number: the slope of ``leaky_relu`` below 0, the depth of ``elu``.

        Raises
        ------
        InvalidValueError
            If the activation has no shape parameter, or ``alpha`` is not finite.

        Examples
        --------
        >>> get("leaky_relu").with_alpha(0.1).alpha
        0.1
        """
        if self.alpha is None:
            raise InvalidValueError(f"activation {self.name!r} has no alpha; got alpha={alpha!r}")
        try:
            value = float(alpha)
        except (TypeError, ValueError):
            raise InvalidTypeError(f"alpha must be a number, got {alpha!r}") from None
        if not math.isfinite(value):
            raise InvalidValueError(f"alpha must be finite, got {alpha!r}")
        return replace(self, alpha=value)


ACTIVATIONS: Registry[Activation] = Registry("activation", "fastnn.activations")

_FROM_OUTPUT = ("linear", "relu", "sigmoid", "tanh")


def is_from_output(activation: Activation) -> bool:
    """Whether the derivative can be had from the output alone, so that the output may take the input's place."""
    return activation.name in _FROM_OUTPUT and ACTIVATIONS[activation.name] is activation


def get(activation: str | Activation | None) -> Activation:
    """Return the activation that ``activation`` names.

    Parameters
    ----------
    activation : str, Activation or None
        A registered name, an ``Activation`` (returned as it is), or ``None`` for ``linear``.

    Raises
    ------
    UnknownNameError
        If no activation has that name.
    InvalidTypeError
        If it is something else.
    """
    if activation is None:
        return ACTIVATIONS["linear"]
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        return ACTIVATIONS[activation]
    raise InvalidTypeError(
        f"an activation is a name, None or Activation(name, forward, derivative), got {activation!r}"
    )
