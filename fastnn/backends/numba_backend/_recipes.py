"""How each kind of op is recorded: the tables of all files of ops, as one."""

from __future__ import annotations

from fastnn.backends.numba_backend import (
    activation,
    branch,
    convolution,
    dense,
    embedding,
    layer_normalization,
    loss,
    masks,
    noise,
    normalization,
    penalty,
    pooling,
    positions,
    prelu,
    rearrange,
    recurrent,
    sums,
)

LOWER = {
    **activation.LOWER,
    **branch.LOWER,
    **convolution.LOWER,
    **dense.LOWER,
    **embedding.LOWER,
    **layer_normalization.LOWER,
    **masks.LOWER,
    **loss.LOWER,
    **noise.LOWER,
    **normalization.LOWER,
    **penalty.LOWER,
    **pooling.LOWER,
    **prelu.LOWER,
    **rearrange.LOWER,
    **recurrent.LOWER,
    **sums.LOWER,
}
"""How each kind of forward and backward op is recorded."""

MERGED = {**loss.MERGED}
"""The same of ops that stand for several of a plan's, which the reference runs one by one."""

LOWER_GRADIENTS = {
    **convolution.LOWER_GRADIENTS,
    **embedding.LOWER_GRADIENTS,
    **positions.LOWER_GRADIENTS,
    **sums.LOWER_GRADIENTS,
}
"""How each kind of op that sums gradients of weights is recorded."""
