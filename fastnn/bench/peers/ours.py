"""fastnn through its public names, on the Numba backend.

The full-batch row of gradient descent is the tutorial's ``gradient_descent``; the others are ``Sequential``
models trained by ``fit``, without shuffling, so that the minibatches come in the same order as everywhere
else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fastnn
from fastnn.bench import networks
from fastnn.bench.data import Problem, Weights, tutorial_parameters
from fastnn.bench.peers.loop import tutorial_loop_of
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
    network = public("Sequential")([layer(part) for part in workload.network.layers])
    network.build((None, *workload.network.input_shape), dtype=workload.dtype)
    compile_model(network, workload, backend)
    load(network, problem)
    return network


def layer(part: networks.Layer) -> Any:
    """Return our layer of a description."""
    layers = public("layers")
    if isinstance(part, networks.Dense):
        return layers.Dense(part.units, activation=part.activation)
    if isinstance(part, networks.Conv2D):
        return layers.Conv2D(part.filters, part.size, padding=part.padding, activation=part.activation)
    if isinstance(part, networks.MaxPool2D):
        return layers.MaxPooling2D(part.size)
    if isinstance(part, networks.GlobalAverage2D):
        return layers.GlobalAveragePooling2D()
    if isinstance(part, networks.Recurrent):
        return {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}[part.cell](part.units)
    return layers.Flatten()


def compile_model(network: Any, workload: Workload, backend: str) -> None:
    """Give the model a fresh optimizer and the row's loss."""
    rate = workload.learning_rate
    # 1e-8 is what the peers have; ours, as Keras', is 1e-7
    optimizer = Adam(learning_rate=rate, epsilon=1e-8) if workload.optimizer == "adam" else SGD(learning_rate=rate)
    network.compile(optimizer, workload.loss, backend=backend)


def load(network: Any, problem: Problem) -> None:
    """Copy the initial weights into the model."""
    network.set_weights([array for arrays in problem.weights for array in arrays])


def train(workload: Workload, problem: Problem, threads: int, backend: str = BACKEND) -> Runner:
    """Train by the tutorial's loop (full batch) or by ``fit``."""
    if backend == "numba":
        set_threads(threads)
    if workload.batches == 1 and workload.layered is None:
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
        arrays = iter(network.get_weights())
        return [tuple(next(arrays) for _ in group) for group in problem.weights]

    return Runner(run, result, reset)


def _tutorial(workload: Workload, problem: Problem, backend: str) -> Runner:
    gradient_descent = public("gradient_descent")
    X, Y, initial = problem.X.T.copy(), problem.Y.T.copy(), tutorial_parameters(problem)
    trained: dict[str, Any] = {}

    def run(steps: int) -> None:
        parameters, _ = gradient_descent(X, Y, initial, workload.learning_rate, steps, backend=backend)
        trained.update(parameters)

    def result() -> Weights:
        return [(trained[f"W{n}"].T, trained[f"b{n}"][:, 0]) for n in range(1, len(problem.weights) + 1)]

    return Runner(run, result)


def forward_propagation(workload: Workload, problem: Problem, threads: int, backend: str = BACKEND) -> Runner:
    """Call the tutorial's function of that name."""
    if backend == "numba":
        set_threads(threads)
    call = public("forward_propagation")
    X, parameters = problem.X.T.copy(), tutorial_parameters(problem)
    return Runner(
        repeat(lambda: call(X, parameters, backend=backend)).run, lambda: call(X, parameters, backend=backend)[0]
    )


def tutorial_loop(workload: Workload, problem: Problem, threads: int, backend: str = BACKEND) -> Runner:
    """Call the tutorial's four functions in its loop."""
    if backend == "numba":
        set_threads(threads)
    names = ("forward_propagation", "compute_cost", "backward_propagation", "update_parameters")
    forward, cost, backward, update = map(public, names)
    loop = tutorial_loop_of(forward, cost, backward, update, problem, workload.learning_rate)
    use_backend = public("use_backend")

    def run(steps: int) -> None:
        with use_backend(backend):
            loop.run(steps)

    return replace(loop, run=run)


def predict(workload: Workload, problem: Problem, threads: int, backend: str = BACKEND) -> Runner:
    """Send a batch through ``predict``; one row, where the row is of such, through a frozen predictor."""
    if backend == "numba":
        set_threads(threads)
    network = model(workload, problem, backend)
    rows = problem.X[: workload.batch].copy()
    call = network.predictor() if workload.batch == 1 and workload.frozen else network.predict
    return repeat(lambda: call(rows))


def elementwise(workload: Workload, problem: Problem, threads: int, backend: str = BACKEND) -> Runner:
    """Sigmoid of an array."""
    if backend == "numba":
        set_threads(threads)
    sigmoid = public("sigmoid")
    return repeat(lambda: sigmoid(problem.X, backend=backend))
