"""Pairs of ops that the Numba backend makes one: which ones, and that no bit changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import Stack, assert_same_quantities, make_data, quantities, start
from test_parity import check, launches  # noqa: F401
from workspaces import BYTES, workspaces_full_of

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numba_backend._merging import merged
from fastnn.backends.numba_backend._placement import taken_places
from fastnn.layers import Conv1D, Conv2D, Conv2DTranspose, MaxPooling1D, MaxPooling2D

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

STACKS: dict[str, tuple[Any, tuple[int, ...], int, int, int]] = {
    "lenet": (lambda: [Conv2D(6, 3, padding="same", activation="relu"), MaxPooling2D(2), Conv2D(3, 2), MaxPooling2D(),
                       Conv2D(5, 1, activation="relu")], (9, 10, 2), 2, 1, 2),
    "overlap": (lambda: [Conv2D(3, 2, activation="relu"), MaxPooling2D(2, 1)], (4, 4, 1), 1, 0, 0),
    "another activation": (lambda: [Conv2D(3, 2, activation="tanh"), MaxPooling2D(2)], (4, 5, 1), 0, 0, 0),
    "transposed": (lambda: [Conv2DTranspose(3, 2, 2, activation="relu"), MaxPooling2D((3, 2))], (3, 4, 2), 1, 1, 1),
    "sequence": (lambda: [Conv1D(9, 3, padding="causal", activation="relu"), MaxPooling1D(3, padding="same")],
                 (11, 3), 1, 1, 1),
    "two readers": (lambda: [Conv2D(3, 2, padding="same", activation="relu"),
                             layers.Add([[MaxPooling2D(1)], [Conv2D(3, 1, activation="relu")], []])],
                    (4, 5, 1), 2, 0, 0),
    "sums that are read too": (lambda: [Conv2D(3, 2), layers.Add([[layers.Activation("relu")], []])], (4, 5, 1),
                               0, 0, 0),
    "pooled twice": (lambda: [Conv2D(2, 1), layers.Concatenate([[MaxPooling2D(2)], [MaxPooling2D(2)]])],
                     (4, 4, 1), 0, 0, 1),
    "a rectifier alone": (lambda: [Conv2D(2, 1), layers.Activation("relu"), layers.Activation("relu"),
                                   MaxPooling2D(2)], (4, 4, 1), 1, 1, 1),
}  # fmt: skip
"""Layers, shape of a sample, convolutions and gradients of pooling that also rectify, gradients of pooling that take
their cells' place."""


def plan_of(name: str) -> Any:
    return Stack(STACKS[name][0], STACKS[name][1]).plan()


@pytest.mark.parametrize("name", STACKS)
def test_pairs_become_one(name):
    plan = plan_of(name)
    forward, backward = merged(plan, (plan.forward, plan.backward + plan.gradients))
    kinds = [o.kind.split("_")[-1] for o in forward + backward if o.static.get("rectified")]
    assert (kinds.count("forward"), kinds.count("backward")) == STACKS[name][2:4]
    assert len(forward) == len(plan.forward) - STACKS[name][2]
    places = taken_places(plan, forward + backward)
    pooling = [o.operands["dA"].index for o in backward if o.kind == "max_pooling_backward"]
    assert len([index for index in pooling if index in places]) == STACKS[name][4]


@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_both_backends_give_the_same_bits(name, dtype):
    plan = plan_of(name)
    for samples, batch, special in ((1, 1, False), (19, 19, True), (33, 17, False), (130, 65, True)):
        data = make_data(plan, dtype, samples, samples, weighted=True, order="permutation", special=special)
        parameters = start(plan, dtype, 1, special)
        results = [quantities(b, plan, dtype, data, batch, parameters=parameters)
                   for b in (numpy_backend, numba_backend)]  # fmt: skip
        assert_same_quantities(*results, f"{samples} samples, batch {batch}")


@DTYPES
def test_parity_on_two_threads(launches, dtype):  # noqa: F811
    plan = plan_of("lenet")
    check(launches, plan, dtype, make_data(plan, dtype, 130, weighted=True, order="permutation"), 100)


@pytest.mark.parametrize("name", ["lenet", "transposed"])
def test_no_result_depends_on_what_a_workspace_held(name):
    plan = plan_of(name)
    data, results = make_data(plan, np.float32, 70), []
    for byte in BYTES:
        with workspaces_full_of(byte):
            results.append(quantities(numba_backend, plan, np.float32, data, 70))
    assert_same_quantities(*results, name)
    assert np.isfinite(results[1]["weights"]).all()
