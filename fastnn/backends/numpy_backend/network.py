"""A dense network's layers one after another, on arrays with the batch in columns.

``parameters`` are W1, b1, ..., WL, bL, b of shape (M, 1); ``values`` are Z1, A1, ..., ZL, AL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.activation import activation_backward, activation_forward
from fastnn.backends.numpy_backend.dense import dense_backward_input, dense_backward_weights, dense_forward
from fastnn.backends.numpy_backend.loss import loss_gradient
from fastnn.backends.numpy_backend.update import mean_gradient
from fastnn.plan.dense_network import DenseNetwork

Array = np.ndarray[Any, Any]


def _layers(parameters: Sequence[Array], dtype: np.dtype[Any]) -> list[tuple[Array, Array]]:
    arrays = [np.asarray(p, dtype) for p in parameters]
    return [(W, b.reshape(-1)) for W, b in zip(arrays[::2], arrays[1::2], strict=True)]


def network_forward(network: DenseNetwork, dtype: np.dtype[Any], parameters: Sequence[Array],
                    X: Array) -> tuple[list[Array], bool]:  # fmt: skip
    """Return Z1, A1, ..., ZL, AL, and whether Z1 is finite.

    Z1 is never finite where X is not.

    Parameters
    ----------
    network : DenseNetwork
    dtype : numpy dtype
        float32 or float64; everything is computed in it.
    parameters : sequence of ndarray
    X : ndarray (D, N)

    Returns
    -------
    list of ndarray (units of the layer, N), bool
    """
    activations = network.activations
    values: list[Array] = []
    A = np.asarray(X, dtype)
    with np.errstate(all="ignore"):
        for (W, b), activation in zip(_layers(parameters, dtype), activations, strict=True):
            Z = dense_forward(W, b, A)
            A = np.array(activation_forward(activation, Z))
            values += [Z, A]
        return values, bool(np.isfinite(values[0]).all())


def network_backward(network: DenseNetwork, dtype: np.dtype[Any], parameters: Sequence[Array],
                     values: Sequence[Array], X: Array, Y: Array) -> list[Array]:  # fmt: skip
    """Return the gradients of the mean loss: dW1, db1, ..., dWL, dbL, db of shape (M, 1).

    Parameters
    ----------
    network : DenseNetwork
    dtype : numpy dtype
    parameters, values : sequence of ndarray
    X : ndarray (D, N)
    Y : ndarray (M, N)
    """
    loss, activations = network.loss, network.activations
    assert loss is not None
    assert loss.derivative is not None
    layers = _layers(parameters, dtype)
    Zs = [np.asarray(z, dtype) for z in values[::2]]
    As = [np.asarray(a, dtype) for a in (X, *values[1::2])]
    Y, weight = np.asarray(Y, dtype), np.ones(Y.shape[1], dtype)
    gradients: list[Array] = []
    with np.errstate(all="ignore"):
        fused = loss.fused.get(activations[-1].name)
        if fused is not None:
            dZ = loss_gradient(fused[1], loss.mean, loss.delta, True, Y, Zs[-1], As[-1], weight)
        else:
            dA = loss_gradient(loss.derivative, loss.mean, loss.delta, False, Y, As[-1], As[-1], weight)
            dZ = activation_backward(activations[-1], Zs[-1], As[-1], dA)
        for layer in reversed(range(len(layers))):
            dW, db = dense_backward_weights(dZ, As[layer])
            gradients = [mean_gradient(dW, len(weight)), mean_gradient(db, len(weight))[:, None], *gradients]
            if layer:
                dA = dense_backward_input(layers[layer][0], dZ)
                dZ = activation_backward(activations[layer - 1], Zs[layer - 1], As[layer], dA)
    return gradients
