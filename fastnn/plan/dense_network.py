"""The plan of a plain dense network: the tutorial's functions describe themselves with it.

Layer l maps ``widths[l - 1]`` features to ``widths[l]`` units; parameters are W1, b1, ..., WL, bL in the flat
vector.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from fastnn import activations, losses
from fastnn.activations import Activation
from fastnn.losses import Loss
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Plan


@dataclass(frozen=True, eq=False)
class DenseNetwork:
    """A dense network's plan and the layers it was made of; compared by identity.

    Attributes
    ----------
    plan : Plan
    widths : tuple of int
        Features of a sample, then units of each layer.
    activations : tuple of Activation
        One per layer.
    loss : Loss
    names : tuple of str
        Of the parameters: W1, b1, ..., WL, bL.
    values : tuple of str
        Of the intermediate values: Z1, A1, ..., ZL, AL.
    """

    plan: Plan
    widths: tuple[int, ...]
    activations: tuple[Activation, ...]
    loss: Loss
    names: tuple[str, ...]
    values: tuple[str, ...]


@functools.lru_cache(maxsize=256)
def dense_network(widths: tuple[int, ...], hidden: str | Activation | None, output: str | Activation | None,
                  loss: str) -> DenseNetwork:  # fmt: skip
    """Return the network; equal arguments give the same object.

    Parameters
    ----------
    widths : tuple of int
        Features of a sample, then units of each layer.
    hidden, output : str or Activation
        Activations of the hidden layers and of the last.
    loss : str
        Name of the loss whose gradients the plan computes.
    """
    chosen = (*(activations.get(hidden) for _ in widths[2:]), activations.get(output))
    criterion = losses.get(loss)
    builder = PlanBuilder(widths[0])
    x = builder.inputs
    for layer, (units, activation) in enumerate(zip(widths[1:], chosen, strict=True)):
        builder.layer = layer
        weights = builder.parameter("W", (units, x.rows), None, (x.rows, units))
        bias = builder.parameter("b", (units,), None, (x.rows, units))
        x = builder.activation(builder.dense(x, weights, bias), activation)
    plan = builder.finish(x, criterion)
    names = tuple(p.name for p in plan.parameters)
    values = tuple(f"{kind}{n}" for n in range(1, len(widths)) for kind in "ZA")
    return DenseNetwork(plan, widths, chosen, criterion, names, values)
