"""Bidirectional: a recurrent layer that reads the sequence from both ends."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from fastnn.activations import Activation
from fastnn.errors import InvalidTypeError, unknown_name
from fastnn.formulas.primitives import like
from fastnn.layers.base import LAYERS, Layer, sample_shape
from fastnn.layers.branches import joined
from fastnn.layers.recurrent import Recurrent
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor

MODES = ("concat", "sum", "mul", "ave")


def halved(z: Any) -> Any:
    """Return ``z / 2``."""
    return z * like(z, 0.5)


def halved_derivative(z: Any, a: Any) -> Any:
    """Return 1/2."""
    return like(a, 0.5)


HALVED = Activation("halved", halved, halved_derivative)


@dataclass
class Bidirectional(Layer):
    """Run a recurrent layer forwards and another like it backwards over a sequence, and join what they put out.

    Parameters
    ----------
    layer : SimpleRNN, LSTM or GRU
        The one that reads forwards, and the settings of the other.
    merge_mode : "concat", "sum", "mul" or "ave"
        How the outputs are joined; "concat" puts the forward layer's features first.
    backward_layer : SimpleRNN, LSTM or GRU, optional
        The other, if its settings differ; it must have ``go_backwards=True``.
    input_shape : tuple of int, optional
        (steps, features), for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    With ``return_sequences`` the backward layer's outputs are put in the order of the sequence before they are joined.
    Weights are numbered forward layer first: W1, U1, b1, W2, U2, b2; PyTorch's second ones are ``weight_ih_l0_reverse``
    and so on. The gradient by the input is the backward layer's part plus the forward layer's.

    References
    ----------
    Schuster and Paliwal, Bidirectional recurrent neural networks, IEEE Transactions on Signal Processing 45 (1997).
    """

    kind = "bidirectional"

    layer: Any
    merge_mode: str = "concat"
    backward_layer: Any = None
    input_shape: Any = None

    def __post_init__(self) -> None:
        self._check("layer", self.layer)
        if self.merge_mode not in MODES:
            raise unknown_name("merge_mode", self.merge_mode, MODES)
        if self.backward_layer is not None:
            self._check("backward_layer", self.backward_layer)
            if self.backward_layer.go_backwards == self.layer.go_backwards:
                raise InvalidTypeError("Bidirectional: backward_layer must read the other way, with go_backwards=True")
            for name in ("return_sequences", "return_state", "stateful"):
                if getattr(self.backward_layer, name) != getattr(self.layer, name):
                    raise InvalidTypeError(f"Bidirectional: both layers must have the same {name}")
        sample_shape(self.input_shape)

    def _check(self, name: str, layer: object) -> None:
        if not isinstance(layer, Recurrent):
            raise InvalidTypeError(f"Bidirectional: {name} must be a SimpleRNN, LSTM or GRU, got {layer!r}")

    @property
    def stated_shape(self) -> tuple[int, ...] | None:
        """Shape of a sample, where this layer or the one inside states it."""
        return sample_shape(self.input_shape if self.input_shape is not None else self.layer.input_shape)

    @property
    def returns_state(self) -> bool:
        """Whether a prediction holds the last states, the forward layer's first: ``return_state`` of the layers."""
        return bool(self.layer.return_state)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit both layers and the join."""
        other = self.backward_layer
        if other is None:
            other = copy.copy(self.layer)
            other.go_backwards = not self.layer.go_backwards
        ends, outer = [], plan.path
        for number, layer in enumerate((self.layer, other)):
            plan.path = (*outer, number, 0)
            ends.append(layer.walk(plan, x, aligned=True))
        plan.path = outer
        y = self._merged(plan, *ends)
        if ends[0].index in plan.masks:
            plan.masks[y.index] = plan.masks[ends[0].index]
        return y

    def _merged(self, plan: PlanBuilder, a: Tensor, b: Tensor) -> Tensor:
        if self.merge_mode == "concat":
            return joined(plan, [a, b], len(a.shape) - 1)
        if self.merge_mode == "mul":
            z = plan.tensor(a.shape, f"{a.name}*{b.name}")
            plan.emit("multiply", None, ("Z",), A=a, B=b, Z=z)
            return z
        total = plan.add(a, b)
        return total if self.merge_mode == "sum" else plan.activation(total, HALVED)


LAYERS.register("bidirectional", Bidirectional)
