"""fastnn through its public names, on the Numba backend.

The full-batch row of gradient descent is the tutorial's ``gradient_descent``; the others are ``Sequential``
models trained by ``fit``, without shuffling, so that the minibatches come in the same order as everywhere
else.
"""

from __future__ import annotations

from typing import Any

import fastnn
from fastnn.bench.data import Problem, Weights
from fastnn.bench.runner import NotOffered, Runner, repeat
from fastnn.bench.workloads import Workload
from fastnn.optimizers import SGD, Adam

BACKEND = "numba"


def public(name: str) -> Any:
    """Return a public name of fastnn, or say that this version has none."""
    try:
        return getattr(fastnn, name)
    except AttributeError:
        raise NotOffered(f"this version of fastnn has no {name!r}") from None


def set_threads(threads: int) -> None:
    """Let the Numba backend use ``threads`` threads, or all that Numba started with if those are fewer."""
    import numba

    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


def model(workload: Workload, problem: Problem, backend: str) -> Any:
    """Return the row's compiled model at the initial weights."""
    sequential, dense = public("Sequential"), public("Dense")
    hidden = [dense(n, activation=workload.hidden) for n in workload.sizes[1:-1]]
    network = sequential([*hidden, dense(workload.sizes[-1], activation=workload.output)])
    network.build((None, workload.sizes[0]), dtype=workload.dtype)
    compile_model(network, workload, backend)
    load(network, problem)
    return network


def compile_model(network: Any, workload: Workload, backend: str) -> None:
    """Give the model a fresh optimizer and the row's loss."""
    kind = {"sgd": SGD, "adam": Adam}[workload.optimizer]
    network.compile(kind(learning_rate=workload.learning_rate), workload.loss, backend=backend)


def load(network: Any, problem: Problem) -> None:
    """Copy the initial weights into the model."""
    network.set_weights([array for pair in problem.weights for array in pair])


def train(workload: Workload, problem: Problem, threads: int, backend: str = BACKEND) -> Runner:
    """Train by the tutorial's loop (full batch) or by ``fit``."""
    if backend == "numba":
        set_threads(threads)
    if workload.batches == 1:
        return _tutorial(workload, problem, backend)
    network = model(workload, problem, backend)

    def reset() -> None:
        if workload.optimizer != "sgd":  # which has no state
            compile_model(network, workload, backend)
        load(network, problem)

    def run(steps: int) -> None:
        network.fit(
            problem.X, problem.Y, epochs=steps // workload.batches, batch_size=workload.batch, shuffle=False,
            verbose=0,
        )  # fmt: skip

    def result() -> Weights:
        arrays = network.get_weights()
        return list(zip(arrays[::2], arrays[1::2]))

    return Runner(run, result, reset)


def _tutorial(workload: Workload, problem: Problem, backend: str) -> Runner:
    gradient_descent = public("gradient_descent")
    X, Y = problem.X.T.copy(), problem.Y.T.copy()
    initial = {}
    for layer, (W, b) in enumerate(problem.weights, start=1):
        initial[f"W{layer}"], initial[f"b{layer}"] = W.T.copy(), b[:, None].copy()
    trained: dict[str, Any] = {}

    def run(steps: int) -> None:
        parameters, _ = gradient_descent(X, Y, initial, workload.learning_rate, steps, backend=backend)
        trained.update(parameters)

    def result() -> Weights:
        return [(trained[f"W{n}"].T, trained[f"b{n}"][:, 0]) for n in range(1, len(problem.weights) + 1)]

    return Runner(run, result)


def predict(workload: Workload, problem: Problem, threads: int, backend: str = BACKEND) -> Runner:
    """Send one row through a frozen predictor, or through ``predict`` where there is no predictor."""
    if backend == "numba":
        set_threads(threads)
    network = model(workload, problem, backend)
    row = problem.X[:1].copy()
    if hasattr(network, "predictor"):
        frozen = network.predictor()
        return repeat(lambda: frozen(row))
    runner = repeat(lambda: network.predict(row, verbose=0))
    return Runner(runner.run, runner.result, note="through predict(): no frozen predictor yet")


def elementwise(workload: Workload, problem: Problem, threads: int, backend: str = BACKEND) -> Runner:
    """Sigmoid of an array."""
    if backend == "numba":
        set_threads(threads)
    sigmoid = public("sigmoid")
    return repeat(lambda: sigmoid(problem.X, backend=backend))
