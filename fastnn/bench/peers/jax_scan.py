"""JAX with the whole run in one compiled call: ``lax.scan`` over an epoch's minibatches, a loop over epochs.

The number of epochs is an argument, so a longer run is not compiled again. Nothing returns to Python in
between. Convolutions are left to ``jax_step``: inside a loop XLA computes them plainly, without its fast routine
(LeNet-5: 55 ms a step against 15; two 3 x 3 convolutions: seconds).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from fastnn.bench import networks
from fastnn.bench.data import Problem
from fastnn.bench.peers import jax_step
from fastnn.bench.runner import NotOffered, Runner
from fastnn.bench.workloads import Workload


def train(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Train; a run is one call."""
    if any(isinstance(layer, networks.Conv2D) for layer in workload.network.layers):
        raise NotOffered("XLA's convolutions are slow inside a loop")
    shape = (workload.batches, workload.batch)
    X = jnp.array(problem.X.reshape(*shape, *problem.X.shape[1:]))
    Y = jnp.array(problem.Y.reshape(*shape, -1))
    step = jax_step.step_function(workload)
    scanned = workload.unit

    def epoch(state: Any, X: Any, Y: Any) -> Any:
        if workload.batches > 1:
            return lax.scan(lambda s, xy: step(s, *xy), state, (X, Y))
        return lax.scan(lambda s, _: step(s, X[0], Y[0]), state, None, length=scanned)

    def run_epochs(state: Any, count: Any, X: Any, Y: Any) -> Any:
        losses = jnp.zeros(scanned, workload.dtype)
        return lax.fori_loop(0, count, lambda _, carry: epoch(carry[0], X, Y), (state, losses))

    epochs = jax.jit(run_epochs)
    state: list[Any] = []

    def reset() -> None:
        state[:] = [jax_step.initial_state(workload, problem)]

    def run(steps: int) -> None:
        state[0], _ = jax.block_until_ready(epochs(state[0], steps // scanned, X, Y))

    return Runner(run, lambda: jax_step.weights_of(state[0]), reset)
