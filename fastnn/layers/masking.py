"""Masking: steps of a padded sequence that recurrent layers pass over, handing the state on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn.initializers.base import finite
from fastnn.layers.base import LAYERS, Layer, check_rank, sample_shape
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor


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
    the bits of the sequence without padding. Its features are put out as +0. As in Keras the mask goes on through
    recurrent layers that return sequences, ``Dense``, activations, dropout, noise, ``BatchNormalization`` (whose
    statistics count all steps, other than in Keras 3), ``LayerNormalization`` and ``PReLU``. ``Add``, ``Residual`` and
    ``Concatenate`` along the features keep steps that count in any branch, and no mask where a branch has none;
    ``Concatenate`` along the steps keeps the branches' masks if all have one. ``GlobalAveragePooling1D`` takes the mean
    over the steps that count. Convolutions, other pooling and all that moves steps end a mask. With
    ``return_sequences`` the output of a step that is passed over is the state before it.

    Where outputs have the mask, such steps count neither in the loss, nor in its gradients, nor in metrics. The loss is
    a mean over the steps that count: each sample's sum over those steps is divided by the number of all steps, and its
    weight by the share of steps that count in the whole minibatch, as in Keras. ``evaluate`` takes 1024 samples at a
    time for minibatches.
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


LAYERS.register("masking", Masking)
