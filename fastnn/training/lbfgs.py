"""L-BFGS on all samples at once: SciPy walks, fastnn computes the loss and its gradient.

For small problems, where it reaches a minimum that first-order steps only approach. The promise of bits holds for every
loss and gradient as a function of the weights; the way from one to the next is SciPy's, whose dot products (BLAS) may
round otherwise on another machine or in another release. So two backends on one machine agree to the bit, two machines
need not. In float32 the gradient's rounding ends the search early: float64 is the dtype for this.

R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, A Limited Memory Algorithm for Bound Constrained Optimization, SIAM Journal on
Scientific Computing 16(5), 1995.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.interrupt import Interrupt
from fastnn.optional import load
from fastnn.plan.data import Data
from fastnn.plan.executor import Draw, Executor

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Descent:
    """What a minimization came to.

    Attributes
    ----------
    iterations, evaluations : int
    loss : float
    converged : bool
    message : str
        SciPy's word on why it ended.
    """

    iterations: int
    evaluations: int
    loss: float
    converged: bool
    message: str


def descend(executor: Executor, data: Data, draw: Draw, after_iteration: Callable[[float], Any], *,
            max_iterations: int, max_evaluations: int, tolerance: float, history_size: int) -> Descent:  # fmt: skip
    """Minimize the mean loss on data over the executor's weights, in place.

    Whatever ends it, an exception or Ctrl-C too, the weights are those after the last whole iteration.

    Parameters
    ----------
    executor : Executor
        Of the network as it is trained, with a vector for gradients.
    data : Data
    draw : Draw
        The same in every evaluation: a function of the weights is minimized, with one set of dropout masks.
    after_iteration : callable
        Is given the loss after each iteration.
    max_iterations, max_evaluations : int
    tolerance : float
        The end is reached when no element of the gradient is greater.
    history_size : int
        Pairs of steps and changes of the gradient that the curvature is estimated from.
    """
    optimize = load("scipy.optimize", purpose="L-BFGS")
    weights, gradient = executor.state.parameters, executor.state.gradients
    assert gradient is not None
    whole = weights.astype(np.float64)
    executor.run("gradients", data, data.samples, 0)  # compile, while Ctrl-C still takes effect at once

    with Interrupt() as interrupt:

        def evaluate(point: Array) -> tuple[float, Array]:
            interrupt.check()
            weights[...] = point
            found = executor.run("gradients", data, data.samples, draw=draw)
            return float(found[0, 0]) / data.samples + float(found[0, 1]), gradient.astype(np.float64)

        def keep(intermediate_result: Any) -> None:
            whole[...] = intermediate_result.x
            after_iteration(float(intermediate_result.fun))

        try:
            result = optimize.minimize(
                evaluate, whole.copy(), method="L-BFGS-B", jac=True, callback=keep,
                options={"maxiter": max_iterations, "maxfun": max_evaluations, "gtol": tolerance,
                         "maxcor": history_size},
            )  # fmt: skip
        finally:
            weights[...] = whole
    return Descent(int(result.nit), int(result.nfev), float(result.fun), result.status == 0, str(result.message))
