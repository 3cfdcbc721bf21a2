"""Textbook NumPy: the tutorial's functions with ``np.dot`` and ``np.exp``, batch in columns, any depth.

Written as the tutorial writes it, without tricks and without waste: temporaries where the formulas have
them, the cost computed in every iteration, data already laid out in columns.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from fastnn.bench.data import Problem, Weights, batches, tutorial_parameters
from fastnn.bench.peers.loop import tutorial_loop_of
from fastnn.bench.runner import NotOffered, Runner, repeat
from fastnn.bench.workloads import Workload


def sigmoid(Z: Any) -> Any:
    """The tutorial's sigmoid."""
    return 1 / (1 + np.exp(-Z))


def softmax(Z: Any) -> Any:
    """Softmax over the features (rows) of each sample (column)."""
    E = np.exp(Z - np.max(Z, axis=0, keepdims=True))
    return E / np.sum(E, axis=0, keepdims=True)


def relu(Z: Any) -> Any:
    """Rectifier."""
    return np.maximum(Z, 0)


FORWARD: dict[str, Any] = {
    "linear": lambda Z: Z, "sigmoid": sigmoid, "tanh": np.tanh, "relu": relu, "softmax": softmax,
}  # fmt: skip
BACKWARD: dict[str, Any] = {
    "sigmoid": lambda dA, A: dA * A * (1 - A),
    "tanh": lambda dA, A: dA * (1 - A * A),
    "relu": lambda dA, A: dA * (A > 0),
}


def cost(name: str, A: Any, Y: Any) -> Any:
    """Return the loss of a batch in columns."""
    m = Y.shape[1]
    if name == "binary_crossentropy":
        return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    if name == "categorical_crossentropy":
        return -np.sum(Y * np.log(A)) / m
    return np.mean((A - Y) ** 2)


def forward(W: list[Any], b: list[Any], X: Any, hidden: str, output: str) -> list[Any]:
    """Return the activations of every layer, the data first."""
    activations = [X]
    for layer in range(len(W)):
        Z = np.dot(W[layer], activations[-1]) + b[layer]
        activations.append(FORWARD[output if layer == len(W) - 1 else hidden](Z))
    return activations


def backward(W: list[Any], activations: list[Any], Y: Any, hidden: str, scale: Any) -> list[tuple[Any, Any]]:
    """Return (dW, db) of every layer, the last one first."""
    grads = []
    dZ = (activations[-1] - Y) * scale
    for layer in reversed(range(len(W))):
        grads.append((np.dot(dZ, activations[layer].T), np.sum(dZ, axis=1, keepdims=True)))
        if layer:
            dZ = BACKWARD[hidden](np.dot(W[layer].T, dZ), activations[layer])
    return grads


def _dense_only(workload: Workload) -> None:
    if workload.layered is not None:
        raise NotOffered("the textbook's networks are dense")


def train(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Train with gradient descent or Adam; a step also computes the cost."""
    _dense_only(workload)
    X = [np.ascontiguousarray(x.T) for x in batches(workload, problem.X)]
    Y = [np.ascontiguousarray(y.T) for y in batches(workload, problem.Y)]
    layers = len(problem.weights)
    W: list[Any] = []
    b: list[Any] = []
    moments: list[Any] = []
    costs: list[Any] = []
    rate = workload.learning_rate
    # 1 / m as a Python float, so that float32 stays float32; the square's derivative brings the 2.
    scale = (2.0 if workload.loss == "mean_squared_error" else 1.0) / workload.batch
    adam = workload.optimizer == "adam"

    def reset() -> None:
        W[:] = [np.ascontiguousarray(w.T) for w, _ in problem.weights]
        b[:] = [c[:, None].copy() for _, c in problem.weights]
        moments[:] = [[np.zeros_like(p), np.zeros_like(p)] for p in [*W, *b]]
        costs.clear()

    def run(steps: int) -> None:
        for step in range(steps):
            x, y = X[step % len(X)], Y[step % len(Y)]
            activations = forward(W, b, x, workload.hidden, workload.output)
            costs.append(cost(workload.loss, activations[-1], y))
            grads = backward(W, activations, y, workload.hidden, scale)[::-1]
            for layer in range(layers):
                dW, db = grads[layer]
                if adam:
                    dW = adam_update(moments[layer], dW, len(costs))
                    db = adam_update(moments[layers + layer], db, len(costs))
                W[layer] = W[layer] - rate * dW
                b[layer] = b[layer] - rate * db

    def result() -> Weights:
        return [(w.T, c[:, 0]) for w, c in zip(W, b)]

    return Runner(run, result, reset)


def adam_update(moments: list[Any], gradient: Any, t: int) -> Any:
    """Return Adam's direction (Kingma and Ba 2015, the faster form at the end of section 2) and keep its moments."""
    moments[0] = 0.9 * moments[0] + 0.1 * gradient
    moments[1] = 0.999 * moments[1] + 0.001 * gradient**2
    return math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * moments[0] / (np.sqrt(moments[1]) + 1e-8)


def predict(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Send a batch through the network, its rows already in columns."""
    _dense_only(workload)
    W = [np.ascontiguousarray(w.T) for w, _ in problem.weights]
    b = [c[:, None].copy() for _, c in problem.weights]
    columns = np.ascontiguousarray(problem.X[: workload.batch].T)
    return repeat(lambda: forward(W, b, columns, workload.hidden, workload.output)[-1].T)


def two_layers(X: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The tutorial's ``forward_propagation`` to the letter: two layers, batch in columns."""
    W1 = parameters["W1"]
    b1 = parameters["b1"]
    W2 = parameters["W2"]
    b2 = parameters["b2"]
    Z1 = np.dot(W1, X) + b1
    A1 = sigmoid(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def forward_propagation(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Call the tutorial's function of that name."""
    X, parameters = problem.X.T.copy(), tutorial_parameters(problem)
    return Runner(repeat(lambda: two_layers(X, parameters)).run, lambda: two_layers(X, parameters)[0])


def two_layers_backward(parameters: dict[str, Any], cache: dict[str, Any], X: Any, Y: Any) -> dict[str, Any]:
    """The tutorial's ``backward_propagation``, likewise."""
    m = X.shape[1]
    A1, A2 = cache["A1"], cache["A2"]
    dZ2 = A2 - Y
    dW2 = np.dot(dZ2, A1.T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = np.dot(parameters["W2"].T, dZ2) * A1 * (1 - A1)
    dW1 = np.dot(dZ1, X.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}


def descend(parameters: dict[str, Any], grads: dict[str, Any], learning_rate: float) -> dict[str, Any]:
    """The tutorial's ``update_parameters``."""
    return {name: parameters[name] - learning_rate * grads[f"d{name}"] for name in ("W1", "b1", "W2", "b2")}


def tutorial_loop(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Call the tutorial's four functions in its loop."""
    entropy = partial(cost, workload.loss)
    return tutorial_loop_of(two_layers, entropy, two_layers_backward, descend, problem, workload.learning_rate)


def elementwise(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Sigmoid of an array."""
    return repeat(lambda: sigmoid(problem.X))
