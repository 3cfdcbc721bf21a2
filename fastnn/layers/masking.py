"""Masking: steps of a padded sequence that recurrent layers pass over, handing the state on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn.initializers.base import finite
from fastnn.layers.base import LAYERS, Layer, check_rank, sample_shape
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Op, Tensor

STEPWISE = {
    "activation_forward": "Z",
    "dense_forward": "A",
    "dropout_forward": "A",
    "gaussian_noise_forward": "A",
    "layer_normalization_forward": "A",
    "prelu_forward": "A",
}
"""Ops that leave steps apart where steps are the first axis, and the operand they read: a mask passes through them."""


@dataclass
class Masking(Layer):
    """Let recurrent layers pass over the steps whose features all equal a value: padding.

    Parameters
    ----------
    mask_value : float
        Rounded to the model's dtype.
    input_shape : tuple of int, optional
        (steps, features), for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    A step that is passed over hands on the state as it is and takes no part in any gradient: a padded sequence gives
    the bits of the sequence without padding. Its features are put out as +0. The mask goes on through recurrent
    layers that return sequences, and through ``Dense``, activations, dropout and ``LayerNormalization`` on the way to
    one. With ``return_sequences`` such a step's output is the state before it, and counts in a loss over all steps:
    there is no mask on losses.
    """

    kind = "masking"

    mask_value: float = 0.0
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.mask_value = finite("mask_value", self.mask_value)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the mask and the masked sequence."""
        check_rank("Masking", x, 2, "(steps, features)")
        z, mask = plan.tensor(x.shape, f"masked {x.name}"), plan.tensor(x.shape[0], f"mask of {x.name}")
        plan.emit("sequence_mask", {"value": self.mask_value, "steps": x.shape[0]}, ("Z", "K"), A=x, Z=z, K=mask)
        plan.masks[z.index] = mask
        return z


def step_mask(plan: PlanBuilder, x: Tensor) -> Tensor | None:
    """Return the mask of a sequence's steps, if one was made on the way to it."""
    while x.index not in plan.masks:
        maker = _maker(plan, x)
        if maker is None or maker.kind not in STEPWISE:
            return None
        source = maker.operands[STEPWISE[maker.kind]]
        assert isinstance(source, Tensor)
        if len(source.shape) != 2 or source.shape[0] != x.shape[0]:
            return None
        x = source
    return plan.masks[x.index]


def _maker(plan: PlanBuilder, x: Tensor) -> Op | None:
    """Return the op that writes a tensor."""
    for op in reversed(plan.forward):
        if any(isinstance(what := op.operands[name], Tensor) and what.index == x.index for name in op.writes):
            return op
    return None


LAYERS.register("masking", Masking)
