"""What each layer of a network puts out, for given samples.

The plan is that of a prediction whose result is the layers' outputs side by side, so every one is computed once, by the
same ops as in ``predict`` and with the same bits; joining copies, it computes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.backends import Backend
from fastnn.layers import Layer
from fastnn.layers.branches import MOST_PARTS, joined
from fastnn.plan import Plan, PlanBuilder
from fastnn.plan.data import Data
from fastnn.plan.executor import State

Array = np.ndarray[Any, Any]

_AT_ONCE = 1 << 22
"""Elements of all layers' outputs that are computed in one go."""


def outputs_plan(layers: Sequence[Layer], shape: tuple[int, ...]) -> Plan:
    """Return the plan of a prediction whose result are all layers' outputs, one after the other.

    Parameters
    ----------
    layers : sequence of Layer
    shape : tuple of int
        Of a sample.
    """
    builder = PlanBuilder(shape)
    x, ends = builder.inputs, []
    for number, layer in enumerate(layers):
        builder.layer = number
        x = layer.build(builder, x)
        builder.layer_shapes.append(x.shape)
        ends.append(x.viewed((x.rows,)))
    while len(ends) > 1:
        ends = [joined(builder, ends[:MOST_PARTS], 0), *ends[MOST_PARTS:]]
    return builder.finish(ends[0], None, False)


def layer_outputs(layers: Sequence[Layer], samples: Array, shape: tuple[int, ...], state: State,
                  backend: Backend) -> list[Array]:  # fmt: skip
    """Return each layer's outputs, (N, ...) as that layer shapes them.

    Parameters
    ----------
    layers : sequence of Layer
    samples : ndarray (N, features)
        Checked.
    shape : tuple of int
        Of a sample.
    state : State
        Weights and statistics, in the network's dtype. What stateful layers carry is written to: pass a copy.
    backend : Backend
    """
    plan, dtype = outputs_plan(layers, shape), state.parameters.dtype
    executor = backend.executor(plan, dtype, state)
    found = [np.empty((len(samples), *own), dtype) for own in plan.layer_shapes]
    # a step of stateful layers is the whole batch
    at_once = len(samples) if plan.carried_rows else max(1, _AT_ONCE // plan.outputs.rows)
    for first in range(0, len(samples), at_once):
        data = Data(samples[first : first + at_once])
        out = np.empty((data.samples, plan.outputs.rows), dtype)
        executor.run("predict", data, data.samples, out=out)
        column = 0
        for array in found:
            part = array[first : first + at_once]
            width = part[0].size
            part[...] = out[:, column : column + width].reshape(part.shape)
            column += width
    return found
