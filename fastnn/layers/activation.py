"""An activation as a layer of its own, and the resolver that all layers use for theirs."""

from __future__ import annotations

import copyreg
from dataclasses import dataclass, field
from typing import Any

from fastnn import activations
from fastnn.layers.base import LAYERS, Layer, sample_shape
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor
from fastnn.tracing import trace_activation


@dataclass(frozen=True)
class FunctionActivation(activations.Activation):
    """An activation traced from a plain function.

    Attributes
    ----------
    function : callable or (callable, callable)
        What was traced: what a file names and a copy traces again.
    """

    function: Any = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return resolve_activation, (self.function,)


def registered_activation(name: str, alpha: float | None) -> activations.Activation:
    """Return the activation registered under a name, with a shape parameter if it has one."""
    found = activations.get(name)
    return found if alpha == found.alpha else found.with_alpha(alpha)  # type: ignore[arg-type]


def is_registered(activation: activations.Activation) -> bool:
    """Whether an activation is one of the registry's, perhaps with another shape parameter."""
    name, alpha = activation.name, activation.alpha
    if name not in activations.ACTIVATIONS or (alpha is None) != (activations.get(name).alpha is None):
        return False
    return registered_activation(name, alpha) == activation


def _reduce(activation: activations.Activation) -> str | tuple[Any, ...]:
    """Say how an activation is copied and pickled: a registered one by name, so that it stays the same object."""
    if is_registered(activation):
        return registered_activation, (activation.name, activation.alpha)
    return object.__reduce_ex__(activation, 2)


copyreg.pickle(activations.Activation, _reduce)


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
        return FunctionActivation(name, traced.forward, traced.derivative, function=activation)
    return activations.get(activation)


@dataclass
class Activation(Layer):
    """Apply an activation to the output of the layer before.

    Parameters
    ----------
    activation : str, Activation or callable
    input_shape : int or tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind = "activation"

    activation: Any
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.activation: activations.Activation = resolve_activation(self.activation)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the activation."""
        return plan.activation(x, self.activation)


LAYERS.register("activation", Activation)
