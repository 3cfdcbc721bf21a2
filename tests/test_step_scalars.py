"""Scalars computed ahead are those computed step by step, and follow whatever changes the optimizer."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn.optimizers import SGD, Adam, Nadam
from fastnn.training.scalars import StepScalars


def one_by_one(optimizer, first, steps, dtype):
    rows = []
    for step in range(first, first + steps):
        number = np.array([step])
        rows.append(optimizer.scalars(number, optimizer.learning_rates(number)).astype(dtype))
    return np.concatenate(rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [Adam(0.01), Nadam(0.01), SGD(0.1, momentum=0.9)])
@pytest.mark.parametrize("expected", [0, 30, 5000])
def test_blocks_have_the_bits_of_single_steps(optimizer, dtype, expected):
    scalars = StepScalars(optimizer, np.dtype(dtype), expected)
    first = 1
    for steps in (1, 1, 3, 7, 2, 40, 5):
        assert_same_bits(scalars.rows(first, steps), one_by_one(optimizer, first, steps, dtype))
        first += steps
    assert_same_bits(scalars.rows(3, 4), one_by_one(optimizer, 3, 4, dtype))


def test_a_changed_rate_takes_effect_with_the_next_step():
    optimizer = Adam(0.5)
    scalars = StepScalars(optimizer, np.dtype("float64"))
    scalars.rows(1, 100)
    optimizer.learning_rate = 0.25
    assert_same_bits(scalars.rows(2, 3), one_by_one(optimizer, 2, 3, "float64"))


def test_a_schedule_is_asked_for_the_steps_that_are_made():
    asked = []

    def schedule(step):
        asked.append(step)
        return 0.1

    scalars = StepScalars(SGD(schedule), np.dtype("float64"))
    for first in (1, 2, 3):
        scalars.rows(first, 1)
    assert asked == [0, 1, 2]


def test_what_a_training_needs_is_computed_once(monkeypatch):
    optimizer, asked = Adam(0.01), []
    computed = optimizer.scalars

    def scalars_of(_, steps, rates):
        asked.append(len(steps))
        return computed(steps, rates)

    monkeypatch.setattr(type(optimizer), "scalars", scalars_of)
    scalars = StepScalars(optimizer, np.dtype("float32"), 300)
    for first in range(1, 301, 100):
        scalars.rows(first, 100)
    assert asked == [300]
    optimizer.learning_rate = 0.02
    scalars.rows(301, 7)
    assert asked == [300, 7]


def test_a_long_training_computes_no_more_than_it_needs(monkeypatch):
    asked = []
    computed = Adam(0.01).scalars
    monkeypatch.setattr(Adam, "scalars", lambda _, steps, rates: asked.extend(steps.tolist()) or computed(steps, rates))
    scalars = StepScalars(Adam(0.01), np.dtype("float32"), 1120)
    for first in range(1, 1121, 56):
        scalars.rows(first, 56)
    assert len(asked) < 1120 + 56 and max(asked) == 1120
