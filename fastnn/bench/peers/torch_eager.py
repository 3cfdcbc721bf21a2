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
from fastnn.bench.runner import Runner, repeat
from fastnn.bench.workloads import Workload

ACTIVATIONS: dict[str, Any] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
OUTPUTS: dict[str, Any] = {"sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(dim=1)}
LOSSES: dict[str, Any] = {
    "binary_crossentropy": nn.functional.binary_cross_entropy_with_logits,
    "categorical_crossentropy": nn.functional.cross_entropy,
    "mean_squared_error": nn.functional.mse_loss,
}


def network(workload: Workload, problem: Problem) -> Any:
    """Return the network up to its logits, at the initial weights."""
    modules: list[Any] = []
    for W, _ in problem.weights:
        if modules:
            modules.append(ACTIVATIONS[workload.hidden]())
        modules.append(nn.Linear(*W.shape, dtype=getattr(torch, workload.dtype)))
    model = nn.Sequential(*modules)
    load(model, problem)
    return model


def load(model: Any, problem: Problem) -> None:
    """Copy the initial weights into ``model``."""
    with torch.no_grad():
        for layer, (W, b) in zip(_linear(model), problem.weights):
            layer.weight.copy_(torch.from_numpy(W.T.copy()))
            layer.bias.copy_(torch.from_numpy(b.copy()))


def _linear(model: Any) -> list[Any]:
    return [m for m in model if isinstance(m, nn.Linear)]


def train(workload: Workload, problem: Problem, threads: int, compiled: Callable[[Any], Any] = lambda f: f) -> Runner:
    """Train with ``loss.backward()`` and ``optimizer.step()``."""
    torch.set_num_threads(threads)
    X = [torch.from_numpy(x.copy()) for x in batches(workload, problem.X)]
    classes = workload.loss == "categorical_crossentropy"
    Y = [torch.from_numpy(y.copy()) for y in batches(workload, problem.labels if classes else problem.Y)]
    model = network(workload, problem)
    loss_of = LOSSES[workload.loss]
    optimizers: list[Any] = []

    def reset() -> None:
        load(model, problem)
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
        return [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in _linear(model)]

    return Runner(run, result, reset)


def predict(workload: Workload, problem: Problem, threads: int, compiled: Callable[[Any], Any] = lambda f: f) -> Runner:
    """Send one row through the network under ``inference_mode``."""
    torch.set_num_threads(threads)
    call = compiled(nn.Sequential(*network(workload, problem), OUTPUTS[workload.output]()).eval())
    row = torch.from_numpy(problem.X[:1].copy())
    return _inference(lambda: call(row))


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
