"""An activation as a layer of its own, and the resolver that all layers use for theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn import activations
from fastnn.layers.base import LAYERS, Layer
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor
from fastnn.tracing import trace_activation


def resolve_activation(activation: Any) -> activations.Activation:
    """Return the activation that a name, an ``Activation``, a plain function or ``None`` (linear) stands for.

    Parameters
    ----------
    activation : str, Activation, callable, (callable, callable) or None
        A function of ``z`` is traced into a formula that both backends run, and differentiated; a pair is the function
        and its derivative.
    """
    if callable(activation) or isinstance(activation, tuple):
        traced = trace_activation(activation)
        function = activation[0] if isinstance(activation, tuple) else activation
        name = getattr(function, "__name__", type(function).__name__)
        return activations.Activation(name, traced.forward, traced.derivative)
    return activations.get(activation)


@dataclass
class Activation(Layer):
    """Apply an activation to the output of the layer before.

    Parameters
    ----------
    activation : str, Activation or callable
    """

    kind = "activation"

    activation: Any

    def __post_init__(self) -> None:
        self.activation: activations.Activation = resolve_activation(self.activation)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the activation."""
        return plan.activation(x, self.activation)


LAYERS.register("activation", Activation)
