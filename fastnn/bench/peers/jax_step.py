"""JAX with the training step jitted: one call from Python a step, weights donated, no wait before the end.

The network, the loss and the update here serve ``jax_scan`` too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fastnn.bench.data import Problem, Weights, batches
from fastnn.bench.peers.jax_layers import logits
from fastnn.bench.runner import Runner, repeat
from fastnn.bench.workloads import Workload

# Only lets float64 exist; float32 arrays stay float32.
jax.config.update("jax_enable_x64", True)

OUTPUTS: dict[str, Any] = {"sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax}


def loss_function(workload: Workload) -> Callable[[Any, Any, Any], Any]:
    """Return ``loss(params, x, y)``, from logits where that is the stable form."""

    def loss(params: Any, x: Any, y: Any) -> Any:
        z = logits(workload.network, params, x)
        if workload.loss == "mean_squared_error":
            return jnp.mean((z - y) ** 2)
        if workload.loss == "binary_crossentropy":
            return jnp.mean(jax.nn.softplus(z) - y * z)
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(z), axis=1))

    return loss


def step_function(workload: Workload) -> Callable[[Any, Any, Any], Any]:
    """Return ``step(state, x, y) -> state, loss``; a state is (weights, moments, step count)."""
    rate = workload.learning_rate
    gradient = jax.value_and_grad(loss_function(workload))

    def sgd(state: Any, x: Any, y: Any) -> Any:
        params, moments, t = state
        value, grads = gradient(params, x, y)
        return (jax.tree.map(lambda p, g: p - rate * g, params, grads), moments, t), value

    def adam(state: Any, x: Any, y: Any) -> Any:
        params, (m, v), t = state
        value, grads = gradient(params, x, y)
        t = t + 1
        m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
        v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)
        scaled = rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params = jax.tree.map(lambda p, a, c: p - scaled * a / (jnp.sqrt(c) + 1e-8), params, m, v)
        return (params, (m, v), t), value

    return adam if workload.optimizer == "adam" else sgd


def initial_state(workload: Workload, problem: Problem) -> Any:
    """Return the state before the first step, in fresh buffers."""

    def fresh(like: Callable[[Any], Any]) -> Any:
        return [tuple(jnp.array(like(a)) for a in arrays) for arrays in problem.weights]

    moments = (fresh(np.zeros_like), fresh(np.zeros_like)) if workload.optimizer == "adam" else ()
    return fresh(np.array), moments, jnp.zeros((), workload.dtype)


def weights_of(state: Any) -> Weights:
    """Return the weights of a state as arrays of NumPy."""
    return [tuple(np.array(a) for a in arrays) for arrays in state[0]]


def train(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Train with one jitted call a step."""
    X = [jnp.array(x) for x in batches(workload, problem.X)]
    Y = [jnp.array(y) for y in batches(workload, problem.Y)]
    step = jax.jit(step_function(workload), donate_argnums=0)
    state: list[Any] = []

    def reset() -> None:
        state[:] = [initial_state(workload, problem)]

    def run(steps: int) -> None:
        now = state[0]
        for i in range(steps):
            now, _ = step(now, X[i % len(X)], Y[i % len(Y)])
        state[0] = jax.block_until_ready(now)

    return Runner(run, lambda: weights_of(state[0]), reset)


def predict(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Send a batch (an array of NumPy) through the jitted network and wait for the answer."""
    params = [tuple(jnp.array(a) for a in arrays) for arrays in problem.weights]
    call = jax.jit(lambda x: OUTPUTS[workload.output](logits(workload.network, params, x)))
    rows = problem.X[: workload.batch]
    return repeat(lambda: np.asarray(call(rows)))


def elementwise(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Sigmoid of an array."""
    z = jnp.array(problem.X)
    call = jax.jit(jax.nn.sigmoid)
    return repeat(lambda: call(z).block_until_ready())
