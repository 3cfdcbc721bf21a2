"""The tutorial's loop, around whoever's four functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.bench.data import Problem, Weights, tutorial_parameters
from fastnn.bench.runner import Runner


def tutorial_loop_of(
    forward: Callable[..., Any],
    cost: Callable[..., Any],
    backward: Callable[..., Any],
    update: Callable[..., Any],
    problem: Problem,
    learning_rate: float,
) -> Runner:
    """Return a runner whose step is one round of the tutorial's loop, on all of the problem's samples."""
    X, Y = problem.X.T.copy(), problem.Y.T.copy()
    initial = tutorial_parameters(problem)
    parameters, costs = dict(initial), [0.0]

    def reset() -> None:
        parameters.update(initial)

    def run(steps: int) -> None:
        current = dict(parameters)
        for _ in range(steps):
            A, cache = forward(X, current)
            costs[0] = cost(A, Y)
            grads = backward(current, cache, X, Y)
            current = update(current, grads, learning_rate)
        parameters.update(current)

    def result() -> Weights:
        return [(parameters[f"W{n}"].T, parameters[f"b{n}"][:, 0]) for n in range(1, len(problem.weights) + 1)]

    return Runner(run, result, reset)
