"""Gradients against central differences, in float64, by the reference's own losses.

The program ``gradients`` returns the losses it differentiates, so what is drawn or measured in training (masks, batch
statistics) is the same on both sides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from networks import start, state_of

from fastnn.backends import numpy_backend
from fastnn.optimizers import SGD
from fastnn.plan import Plan
from fastnn.plan.data import Data
from fastnn.plan.executor import Draw

STEP = 1e-5
DRAW = Draw(7, 5)


def mean_loss_and_gradient(plan: Plan, data: Data, parameters: Any, draw: Draw) -> tuple[float, Any]:
    """Return the mean loss with its penalties, and its gradient, over all samples as one minibatch."""
    state = state_of(plan, np.float64, SGD(), parameters)
    executor = numpy_backend.executor(plan, np.float64, state, SGD())
    found = executor.run("gradients", data, data.samples, draw=draw)
    return float(found[0, 0]) / data.samples + float(found[0, 1]), state.gradients


def assert_gradients(plan: Plan, data: Data, parameters: Any = None, tolerance: float = 1e-7,
                     draw: Draw = DRAW) -> None:  # fmt: skip
    """Assert that every element of the gradient is the slope of the loss.

    Parameters
    ----------
    plan : Plan
    data : Data
        In float64.
    parameters : ndarray, optional
    tolerance : float
        Relative to the greatest element.
    draw : Draw
    """
    parameters = start(plan, np.float64) if parameters is None else parameters
    _, gradient = mean_loss_and_gradient(plan, data, parameters, draw)
    slopes = np.empty_like(parameters)
    for i in range(plan.size):
        ends = []
        for sign in (1, -1):
            moved = parameters.copy()
            moved[i] += sign * STEP
            ends.append(mean_loss_and_gradient(plan, data, moved, draw)[0])
        slopes[i] = (ends[0] - ends[1]) / (2 * STEP)
    assert np.abs(gradient).max() > 1e-3, "the case says nothing"
    np.testing.assert_allclose(gradient, slopes, rtol=0, atol=tolerance * max(1.0, np.abs(gradient).max()))
