"""L-BFGS for the estimators: SciPy drives, fastnn computes the loss and the gradient of all samples at once.

Losses and gradients keep the promise of bits. The path between them is SciPy's: it is the same from run to run and for
both backends on one machine with one SciPy, but its own dot products may round otherwise on another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from fastnn.models import Sequential
from fastnn.plan.data import Data
from fastnn.plan.executor import Draw

Array = np.ndarray[Any, Any]


@dataclass
class Descent:
    """What a minimization came to.

    Attributes
    ----------
    iterations : int
    loss : float
    losses : list of float
        After each iteration.
    converged : bool
    message : str
        SciPy's word on why it ended.
    """

    iterations: int
    loss: float
    losses: list[float]
    converged: bool
    message: str


def descend(model: Sequential, data: Data, *, max_iter: int, max_fun: int, tol: float, verbose: bool) -> Descent:
    """Minimize a compiled model's loss on data; the weights are left at the minimum found.

    Parameters
    ----------
    model : Sequential
    data : Data
        As ``Sequential`` checks it.
    max_iter, max_fun : int
        Iterations, and evaluations of the loss, at most.
    tol : float
        The end is reached when no element of the gradient is greater.
    verbose : bool
    """
    executor = model._executor("train")
    gradient = executor.state.gradients
    assert gradient is not None
    draw = Draw(model.seed, 1)  # the same masks in every evaluation: a function, not a random one
    losses: list[float] = []

    def evaluate(weights: Array) -> tuple[float, Array]:
        model.parameters[...] = weights
        found = executor.run("gradients", data, data.samples, draw=draw)
        return float(found[0, 0]) / data.samples + float(found[0, 1]), gradient.astype(np.float64)

    def after_iteration(intermediate_result: Any) -> None:
        losses.append(float(intermediate_result.fun))
        if verbose:
            print(f"Iteration {len(losses)}, loss = {losses[-1]:.8f}")

    result = minimize(
        evaluate, model.parameters.astype(np.float64), method="L-BFGS-B", jac=True, callback=after_iteration,
        options={"maxfun": int(max_fun), "maxiter": int(max_iter), "gtol": float(tol)},
    )  # fmt: skip
    model.parameters[...] = result.x
    return Descent(int(result.nit), float(result.fun), losses, result.status == 0, str(result.message))
