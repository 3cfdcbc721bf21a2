"""PyTorch, eager: ``nn.Sequential``, ``torch.optim`` and the usual training loop, data already tensors.

Losses take logits, which is PyTorch's own advice and its faster form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from fastnn.bench.data import Problem, Weights, batches
from fastnn.bench.peers.torch_layers import arrays_of, channels_first, load, network
from fastnn.bench.runner import Runner, repeat
from fastnn.bench.workloads import Workload

OUTPUTS: dict[str, Any] = {"sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(dim=1)}
LOSSES: dict[str, Any] = {
    "binary_crossentropy": nn.functional.binary_cross_entropy_with_logits,
    "categorical_crossentropy": nn.functional.cross_entropy,
    "mean_squared_error": nn.functional.mse_loss,
}


def train(workload: Workload, problem: Problem, threads: int, compiled: Callable[[Any], Any] = lambda f: f) -> Runner:
    """Train with ``loss.backward()`` and ``optimizer.step()``."""
    torch.set_num_threads(threads)
    X = [torch.from_numpy(channels_first(x)) for x in batches(workload, problem.X)]
    classes = workload.loss == "categorical_crossentropy"
    Y = [torch.from_numpy(y.copy()) for y in batches(workload, problem.labels if classes else problem.Y)]
    model = network(workload)
    loss_of = LOSSES[workload.loss]
    optimizers: list[Any] = []

    def reset() -> None:
        load(model, problem.weights)
        kind = torch.optim.Adam if workload.optimizer == "adam" else torch.optim.SGD
        optimizers[:] = [kind(model.parameters(), lr=workload.learning_rate)]

    objective = compiled(lambda x, y: loss_of(model(x), y))

    def run(steps: int) -> None:
        optimizer = optimizers[0]
        for step in range(steps):
            optimizer.zero_grad(set_to_none=True)
            objective(X[step % len(X)], Y[step % len(Y)]).backward()
            optimizer.step()

    def result() -> Weights:
        return arrays_of(model)

    return Runner(run, result, reset)


def predict(workload: Workload, problem: Problem, threads: int, compiled: Callable[[Any], Any] = lambda f: f) -> Runner:
    """Send a batch through the network under ``inference_mode``."""
    torch.set_num_threads(threads)
    model = network(workload)
    load(model, problem.weights)
    call = compiled(nn.Sequential(*model, OUTPUTS[workload.output]()).eval())
    rows = torch.from_numpy(channels_first(problem.X[: workload.batch]))
    return _inference(lambda: call(rows))


def elementwise(
    workload: Workload, problem: Problem, threads: int, compiled: Callable[[Any], Any] = lambda f: f
) -> Runner:
    """Sigmoid of an array."""
    torch.set_num_threads(threads)
    call = compiled(torch.sigmoid)
    z = torch.from_numpy(problem.X.copy())
    return _inference(lambda: call(z))


def _inference(call: Callable[[], Any]) -> Runner:
    runner = repeat(call)

    def run(steps: int) -> None:
        with torch.inference_mode():
            runner.run(steps)

    def result() -> Any:
        with torch.inference_mode():
            return np.array(call().numpy())

    return Runner(run, result)
