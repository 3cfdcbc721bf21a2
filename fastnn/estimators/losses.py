"""The losses of the estimators, in scikit-learn's scale, and the functions that make predictions of network outputs.

Networks end in a linear layer wherever the loss has a form for it, so that ``decision_function`` is what the network
computes; the output activation ("link") is applied afterwards. As in scikit-learn a loss is a sum over the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastnn import losses
from fastnn.activations import ACTIVATIONS
from fastnn.backends import Backend
from fastnn.errors import InvalidTypeError, unknown_name
from fastnn.formulas import exp, log
from fastnn.formulas.primitives import like, where
from fastnn.losses import Loss
from fastnn.training.loss import resolve_loss

Array = np.ndarray[Any, Any]


def squared_value(y: Any, p: Any) -> Any:
    """Return ``(p - y)**2 / 2``."""
    d = p - y
    return like(p, 0.5) * (d * d)


def squared_derivative(y: Any, p: Any) -> Any:
    """Return ``p - y``."""
    return p - y


def deviance_value(y: Any, z: Any) -> Any:
    """Return half the Poisson deviance of the rate ``exp(z)``: ``y log(y / exp(z)) - y + exp(z)``."""
    zero = like(z, 0.0)
    own = where(y == zero, zero, y * log(y))
    return own - y * z - y + exp(z)


def deviance_derivative(y: Any, z: Any) -> Any:
    """Return ``exp(z) - y``."""
    return exp(z) - y


HALF_SQUARED_ERROR = Loss("half_squared_error", squared_value, squared_derivative, mean=False)
HALF_POISSON_DEVIANCE = Loss("half_poisson_deviance", deviance_value, deviance_derivative, mean=False, from_logits=True)


@dataclass(frozen=True)
class Objective:
    """What a network is trained on and how its outputs are read.

    Attributes
    ----------
    loss : Loss
    link : str
        scikit-learn's name of the output activation: "identity", "softmax", "logistic" or "exp".
    linear : bool
        Whether the network's last layer is linear and ``link`` is applied afterwards; if not, the network ends in
        ``link``, because the loss is a function of what comes out of it.
    """

    loss: Loss
    link: str
    linear: bool


LINKS = {"identity": "linear", "softmax": "softmax", "logistic": "sigmoid", "exp": "exponential"}
"""scikit-learn's names of output activations and ours."""


def classification(loss: Any, link: str) -> Objective:
    """Return the objective of a classifier.

    Parameters
    ----------
    loss : "log_loss", or what ``Sequential.compile`` takes
        Other losses see one column per output (classes one-hot) and, unless they are of logits, probabilities.
    link : str
        "softmax" or "logistic".
    """
    if isinstance(loss, str) and loss == "log_loss":
        if link == "softmax":
            return Objective(losses.get("sparse_categorical_crossentropy_from_logits"), link, True)
        return Objective(replace(losses.get("binary_crossentropy_from_logits"), mean=False), link, True)
    found = _resolve(loss, ("log_loss",))
    return Objective(found, link, found.from_logits or found.name == "hinge")


def regression(loss: Any) -> Objective:
    """Return the objective of a regressor: "squared_error", "poisson", or what ``Sequential.compile`` takes."""
    if isinstance(loss, str) and loss == "squared_error":
        return Objective(HALF_SQUARED_ERROR, "identity", True)
    if isinstance(loss, str) and loss == "poisson":
        return Objective(HALF_POISSON_DEVIANCE, "exp", True)
    found = _resolve(loss, ("squared_error", "poisson"))
    return Objective(found, "identity", True)


def _resolve(loss: Any, own: tuple[str, ...]) -> Loss:
    pair = isinstance(loss, tuple) and len(loss) == 2 and all(callable(part) for part in loss)
    if not (isinstance(loss, str | Loss) or callable(loss) or pair):  # such as layer sizes, which come second
        raise InvalidTypeError(f"loss must be one of {', '.join(own)}, a loss of fastnn or a function, got {loss!r}")
    if isinstance(loss, str) and loss not in losses.LOSSES:
        raise unknown_name("loss", loss, {*own, *losses.LOSSES})
    return resolve_loss(loss)


def linked(backend: Backend, link: str, outputs: Array) -> Array:
    """Return linear outputs (N, M) after their activation, in the same dtype, in the same bits by every backend."""
    if link == "identity" or not len(outputs):
        return outputs
    columns = np.ascontiguousarray(outputs.T)
    return np.ascontiguousarray(backend.activation_forward(ACTIVATIONS[LINKS.get(link, link)], columns).T)
