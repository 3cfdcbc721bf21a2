"""Data and initial weights of a row, the same arrays for every system, and how results are compared.

Everything is drawn from a fixed seed. The digits are scikit-learn's scans where it is installed, else
random arrays of the same shape. Losses are computed here, in float64, from the weights that a system hands
back: one yardstick for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fastnn.bench import yardstick
from fastnn.bench.workloads import Workload

Weights = list[tuple[Any, ...]]
"""The arrays of each layer that has any, laid out as in ``fastnn.bench.networks``: W (inputs, units), b (units,)."""


@dataclass(frozen=True)
class Problem:
    """The arrays of one row; rows of ``X`` and ``Y`` are samples, in the order in which batches take them.

    Attributes
    ----------
    X : ndarray, shape (batch * batches, *sample), or (elements,)
        The data, read-only.
    Y : ndarray, shape (batch * batches, units out)
        Targets; one-hot for classes.
    labels : ndarray of int64, shape (batch * batches,)
        The classes of ``Y`` where they are classes.
    weights : list of tuple of ndarray
        Initial weights.
    """

    X: Any
    Y: Any
    labels: Any
    weights: Weights


@lru_cache(maxsize=2)
def problem(workload: Workload) -> Problem:
    """Return the arrays of a row; asking twice returns the same ones."""
    rng = np.random.default_rng(20240229)
    dtype = np.dtype(workload.dtype)
    if workload.kind == "elementwise":
        z = rng.normal(0.0, 3.0, workload.sizes[0]).astype(dtype)
        return Problem(_frozen(z), None, None, [])
    samples = workload.batch * workload.batches
    network = workload.network
    outputs = network.outputs
    labels = rng.integers(0, max(outputs, 2), samples)
    if workload.sizes == (2, 4, 1):
        X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=dtype)
        labels = np.array([0, 1, 1, 0])
    else:
        X = rng.random((samples, *network.input_shape)).astype(dtype)
    if workload.sizes == (64, 64, 10):
        X, labels = _digits(samples, X, labels)
    if workload.loss == "mean_squared_error":
        Y = np.sin(3.0 * X[:, :outputs] + X[:, 1:2] * X[:, 2:3])
    elif outputs == 1:
        Y = labels[:, None]
    else:
        Y = np.eye(outputs)[labels]
    weights = [_arrays(workload, shapes, rng) for layer, shape in network.walk() if (shapes := layer.arrays(shape))]
    return Problem(_frozen(X), _frozen(Y.astype(dtype)), _frozen(labels.astype(np.int64)), weights)


def _arrays(workload: Workload, shapes: list[tuple[int, ...]], rng: np.random.Generator) -> tuple[Any, ...]:
    """Draw a layer's arrays: kernels at the scale of their inputs; biases of 0 in dense networks."""

    def draw(shape: tuple[int, ...]) -> Any:
        if len(shape) > 1:
            return rng.normal(0.0, np.prod(shape[:-1]) ** -0.5, shape)
        # not 0 elsewhere, or a system that exchanged two biases would agree
        return np.zeros(shape) if workload.layered is None else rng.normal(0.0, 0.1, shape)

    return tuple(_frozen(draw(shape).astype(workload.dtype)) for shape in shapes)


def batches(workload: Workload, array: Any) -> list[Any]:
    """Split an array whose rows are samples into the row's minibatches (views)."""
    return [array[i * workload.batch : (i + 1) * workload.batch] for i in range(workload.batches)]


def tutorial_parameters(problem: Problem) -> dict[str, Any]:
    """Return the initial weights as the tutorial's dictionary, batch in columns."""
    parameters = {}
    for layer, (W, b) in enumerate(problem.weights, start=1):
        parameters[f"W{layer}"], parameters[f"b{layer}"] = W.T.copy(), b[:, None].copy()
    return parameters


def fingerprint(workload: Workload, result: Any) -> Any:
    """Return the float64 vector by which results of two systems are compared: the loss, or the outputs."""
    if workload.trains:
        return np.array([loss(workload, result)])
    return np.asarray(result, dtype=np.float64).ravel()


def kept(workload: Workload, result: Any) -> Any:
    """Return a copy of a result, which may be the system's own arrays."""
    if workload.trains:
        return [tuple(np.array(array) for array in arrays) for arrays in result]
    return np.array(result)


def apart(weights: Weights, reference: Weights, initial: Weights) -> float:
    """Return how far apart two trainings ended, relative to how far the second one went.

    The largest such ratio of Euclidean norms over all arrays: 1 for a system that did nothing, inf for other shapes.
    """
    furthest = 0.0
    for arrays in zip(weights, reference, initial, strict=True):
        for one, other, start in zip(*arrays, strict=True):
            if one.shape != other.shape:
                return float("inf")
            a, b, c = (np.asarray(array, np.float64) for array in (one, other, start))
            way = max(np.linalg.norm(b - c), np.finfo(np.float64).tiny)
            furthest = max(furthest, float(np.linalg.norm(a - b) / way))
    return furthest


def difference(a: Any, b: Any) -> float:
    """Return the largest difference of two fingerprints relative to their largest entry (inf for NaN)."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    scale = max(np.max(np.abs(a)), np.max(np.abs(b)), np.finfo(np.float64).tiny)
    return float(np.max(np.abs(a - b)) / scale)


def loss(workload: Workload, weights: Weights) -> float:
    """Return the loss over all of the row's data, in float64, at ``weights``."""
    data = problem(workload)
    A = yardstick.outputs(workload.network, weights, data.X)
    Y = data.Y.astype(np.float64)
    if workload.loss == "mean_squared_error":
        return float(np.mean((A - Y) ** 2))
    if workload.loss == "binary_crossentropy":
        return float(-np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A)))
    return float(-np.mean(np.sum(Y * np.log(np.maximum(A, 1e-300)), axis=1)))


def _digits(samples: int, X: Any, labels: Any) -> tuple[Any, Any]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        return X, labels
    scans, classes = load_digits(return_X_y=True)
    return (scans[:samples] / 16.0).astype(X.dtype), classes[:samples]


def _frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array
