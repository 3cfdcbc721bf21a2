"""Convolutions: by hand, against PyTorch, by central differences, and the same bits from both backends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import Stack, assert_same_quantities, make_data, quantities

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
needs_jit = pytest.mark.needs_jit

STACKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "same": (lambda: [layers.Conv2D(5, 3, padding="same"), layers.Conv2D(6, (3, 2), activation="tanh")], (6, 7, 2)),
    "strides": (lambda: [layers.Conv2D(5, 3, 2, "same"), layers.Conv2D(3, (2, 3), (3, 1), use_bias=False)], (9, 10, 3)),
    "dilation": (lambda: [layers.Conv2D(4, 3, 1, "same", 2), layers.Conv2D(9, 2, dilation_rate=(3, 1))], (6, 5, 1)),
    "groups": (lambda: [layers.Conv2D(6, 3, padding="same"), layers.Conv2D(4, 2, groups=2)], (4, 5, 4)),
    "depthwise": (lambda: [layers.Conv2D(5, 1), layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)],
                  (5, 4, 2)),
    "transposed": (lambda: [layers.Conv2D(6, 1), layers.Conv2DTranspose(5, 3, 2, "same", activation="relu"),
                            layers.Conv2DTranspose(4, (2, 3), groups=1)], (3, 4, 3)),
    "transposed in groups": (lambda: [layers.Conv2DTranspose(6, 4, (2, 3), "valid", 1, groups=3),
                                      layers.Conv2DTranspose(1, 3, 1, "same", use_bias=False)], (2, 3, 3)),
    "sequence": (lambda: [layers.Conv1D(9, 3, padding="causal"), layers.Conv1D(5, 4, 2, "same"), layers.Conv1D(2, 2)],
                 (11, 3)),
    "kernel larger than the image": (lambda: [layers.Conv2D(3, 5, padding="same"), layers.Conv2D(2, (2, 1))],
                                     (2, 1, 2)),
    "wide": (lambda: [layers.Conv2D(19, 3, padding="same"), layers.Conv2D(33, 2, 2)], (4, 4, 17)),
}  # fmt: skip


def plan_of(name: str, flat: bool = True) -> Any:
    stack, shape = STACKS[name]
    tail = [layers.Flatten(), layers.Dense(3)] if flat else []
    return Stack(lambda: [*stack(), *tail], shape).plan()


@needs_jit
@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_both_backends_give_the_same_bits(name, dtype):
    plan = plan_of(name)
    for samples, batch in ((1, 1), (3, 2), (17, 17), (63, 63), (64, 64), (130, 65)):
        data = make_data(plan, dtype, samples, samples, weighted=True, order="permutation")
        results = [quantities(b, plan, dtype, data, batch) for b in (numpy_backend, numba_backend)]
        assert np.isfinite(results[0]["gradients"]).all()
        assert_same_quantities(*results, f"{samples} samples, batch {batch}")


if __name__ == "__main__":
    for name in STACKS:
        for dtype in (np.float32, np.float64):
            test_both_backends_give_the_same_bits(name, dtype)
            print(name, dtype)
