"""Schedules: values from their closed forms in mpmath, hand values, many steps at once, and configs."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle

import mpmath
import numpy as np
import pytest
from bits import assert_same_bits
from mpmath import mpf

from fastnn import schedules
from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError
from fastnn.layers import Dense
from fastnn.models import Sequential
from fastnn.optimizers import SGD
from fastnn.schedules import SCHEDULES, LearningRateSchedule

mpmath.mp.prec = 200


def half_cosine(done):
    return (1 + mpmath.cos(mpmath.pi * done)) / 2


def restarts(step, t_mul=2):
    start, length, scale = 0, 50, mpf(1)
    while step >= start + length:
        start, length, scale = start + length, length * t_mul, scale * mpf(0.75)
    return mpf(0.5) * ((1 - mpf(0.125)) * scale * half_cosine(mpf(step - start) / length) + mpf(0.125))


def one_cycle(step):
    top, peak, end = mpf(0.5), 300 // 4 - 1, 299
    first = top / 25
    last = first / 10**4
    if step <= peak:
        return first + (top - first) * (1 - half_cosine(mpf(step) / peak))
    return last + (top - last) * half_cosine(min(mpf(step - peak) / (end - peak), mpf(1)))


def polynomial(step, cycle):
    steps = 100 * max(-(-step // 100), 1) if cycle else 100
    return (mpf(0.5) - mpf(0.01)) * (1 - mpf(min(step, steps)) / steps) ** mpf(1.5) + mpf(0.01)


def cosine(step):
    return mpf(0.5) * ((1 - mpf(0.125)) * half_cosine(mpf(min(step, 200)) / 200) + mpf(0.125))


def warmed_cosine(step):
    if step < 30:
        return (mpf(0.5) - mpf(0.01)) * step / 30 + mpf(0.01)
    return mpf(0.5) * half_cosine(mpf(min(step - 30, 200)) / 200)


# registered name: cases of a schedule and its closed form, in mpmath on the float64 arguments
CASES = {
    "step_decay": [(schedules.StepDecay(0.5, 30, 0.3), lambda t: mpf(0.5) * mpf(0.3) ** (t // 30))],
    "piecewise_constant_decay": [
        (schedules.PiecewiseConstantDecay([10, 120], [0.5, 0.1, 0.01]),
         lambda t: mpf(0.5 if t <= 10 else 0.1 if t <= 120 else 0.01)),
    ],
    "exponential_decay": [
        (schedules.ExponentialDecay(0.5, 70, 0.9), lambda t: mpf(0.5) * mpf(0.9) ** (mpf(t) / 70)),
        (schedules.ExponentialDecay(0.5, 70, 0.9, staircase=True), lambda t: mpf(0.5) * mpf(0.9) ** (t // 70)),
    ],
    "inverse_time_decay": [
        (schedules.InverseTimeDecay(0.5, 70, 0.9), lambda t: mpf(0.5) / (1 + mpf(0.9) * t / 70)),
        (schedules.InverseTimeDecay(0.5, 70, 0.9, staircase=True), lambda t: mpf(0.5) / (1 + mpf(0.9) * (t // 70))),
    ],
    "polynomial_decay": [
        (schedules.PolynomialDecay(0.5, 100, 0.01, 1.5), lambda t: polynomial(t, False)),
        (schedules.PolynomialDecay(0.5, 100, 0.01, 1.5, cycle=True), lambda t: polynomial(t, True)),
        (schedules.PolynomialDecay(0.5, 1000), lambda t: mpf(0.0001) + (mpf(0.5) - mpf(0.0001)) * (1 - mpf(t) / 1000)),
    ],
    "cosine_decay": [
        (schedules.CosineDecay(0.5, 200, 0.125), cosine),
        (schedules.CosineDecay(0.01, 200, warmup_target=0.5, warmup_steps=30), warmed_cosine),
    ],
    "cosine_decay_restarts": [
        (schedules.CosineDecayRestarts(0.5, 50, 2.0, 0.75, 0.125), restarts),
        (schedules.CosineDecayRestarts(0.5, 50, 1.0, 0.75, 0.125), lambda t: restarts(t, t_mul=1)),
    ],
    "linear_warmup": [
        (schedules.LinearWarmup(0.5, 20), lambda t: mpf(0.5) * min(mpf(t) / 20, 1)),
        (schedules.LinearWarmup(schedules.CosineDecay(0.5, 200, 0.125), 20, 0.1),
         lambda t: mpf(0.1) + (mpf(0.5) - mpf(0.1)) * t / 20 if t < 20 else cosine(t - 20)),
    ],
    "one_cycle": [
        (schedules.OneCycle(0.5, 300, 0.25), one_cycle),
        (schedules.OneCycle(0.5, 300, 0.25, "linear", 10.0, 100.0),
         lambda t: mpf(0.05) + mpf(0.45) * t / 74 if t <= 74
         else mpf(0.0005) + mpf(0.4995) * (1 - min((mpf(t) - 74) / (299 - 74), mpf(1)))),
    ],
}  # fmt: skip
PAIRS = [pytest.param(s, f, id=f"{name}{i}") for name in CASES for i, (s, f) in enumerate(CASES[name])]
ALL = [pytest.param(s, id=f"{name}{i}") for name in CASES for i, (s, _) in enumerate(CASES[name])]
STEPS = np.arange(400)


def test_every_schedule_has_a_case():
    assert set(SCHEDULES) == set(CASES)
    for name, cases in CASES.items():
        assert all(type(schedule) is SCHEDULES[name] for schedule, _ in cases)
        assert SCHEDULES[name].__name__ in schedules.__all__


@pytest.mark.parametrize(("schedule", "closed"), PAIRS)
def test_closed_form(schedule, closed):
    rates = schedule(STEPS)
    assert rates.dtype == np.float64
    for step, rate in zip(STEPS.tolist(), rates.tolist(), strict=True):
        # a few roundings of terms not above the greatest rate
        assert abs(mpf(rate) - closed(step)) <= 4 * 2.0**-52 * max(rate, 0.5), step


@pytest.mark.parametrize("schedule", ALL)
def test_one_by_one_has_the_bits_of_all_at_once(schedule):
    steps = np.array([0, 1, 5, 1023, 1024, 1025, 77, 10**6, 3])
    together = schedule(steps)
    assert_same_bits(together, np.array([schedule(step) for step in steps.tolist()]))
    assert_same_bits(together, schedule(steps.reshape(3, 3)).reshape(-1))
    assert_same_bits(together, np.array([schedule(step) for step in steps]))
    assert type(schedule(3)) is type(schedule(np.int64(3))) is float
    assert schedule(np.empty(0, np.int64)).shape == (0,)
    assert (schedule([0, 399, 10**9]) >= 0).all()


@pytest.mark.parametrize("schedule", ALL)
def test_config_round_trip(schedule):
    config = json.loads(json.dumps(schedule.config()))
    for twin in (LearningRateSchedule.from_config(config), schedules.get(config), copy.deepcopy(schedule),
                 pickle.loads(pickle.dumps(schedule))):  # fmt: skip
        assert twin == schedule and twin.config() == schedule.config() and hash(twin) == hash(schedule)
        assert_same_bits(twin(STEPS), schedule(STEPS))


@pytest.mark.parametrize("schedule", ALL)
def test_optimizers_take_schedules(schedule):
    assert_same_bits(SGD(schedule).learning_rates(STEPS + 1), schedule(STEPS))


@pytest.mark.parametrize("schedule", ALL)
def test_a_training_takes_the_same_rates(schedule):
    """At once in ``fit``, one by one in ``train_on_batch`` and for a user's function."""
    x, y = np.eye(6)[:, :4], np.arange(6.0)
    found = []
    for rate in (schedule, schedule, lambda step: schedule(step)):
        model = Sequential([Dense(3, "tanh"), Dense(1)], dtype="float64", backend="numpy")
        model.build((None, 4))
        model.compile(SGD(rate), "mse")
        found.append(model)
    found[0].fit(x, y, 2, epochs=30, shuffle=False, verbose=0)
    found[2].fit(x, y, 2, epochs=30, shuffle=False, verbose=0)
    for step in range(90):
        part = slice(step * 2 % 6, step * 2 % 6 + 2)
        found[1].train_on_batch(x[part], y[part])
    assert_same_bits(found[0].parameters, found[1].parameters)
    assert_same_bits(found[0].parameters, found[2].parameters)


def test_a_rate_that_is_none_is_named():
    model = Sequential([Dense(1)], dtype="float64", backend="numpy")
    model.build((None, 4))
    model.compile(SGD(schedules.ExponentialDecay(1e300, 1, 1e5)), "mse")
    model.fit(np.zeros((2, 4)), np.zeros(2), 1, verbose=0)  # the next rate would not be finite
    model.compile(SGD(schedules.ExponentialDecay(1e300, 1, 1e5)), "mse")
    with pytest.raises(InvalidValueError, match="the schedule's rate at step 3 must be finite, got inf"):
        model.fit(np.zeros((8, 4)), np.zeros(8), 1, verbose=0)


def test_values_by_hand():
    piecewise = schedules.PiecewiseConstantDecay([100000, 110000], [1.0, 0.5, 0.1])  # the example of Keras
    assert [piecewise(t) for t in (0, 100000, 100001, 110000, 110001)] == [1.0, 1.0, 0.5, 0.5, 0.1]
    exponential = schedules.ExponentialDecay(0.1, 100000, 0.96, staircase=True)  # as there
    assert [exponential(t) for t in (0, 99999, 100000)] == [0.1, 0.1, 0.1 * 0.96]
    linear = schedules.PolynomialDecay(0.1, 10000, 0.01)
    assert linear(0) == 0.1 and linear(5000) == pytest.approx(0.055, rel=1e-15) and linear(20000) == 0.01
    cosine = schedules.CosineDecay(0, 1000, warmup_target=0.1, warmup_steps=1000)
    assert [cosine(t) for t in (0, 500, 1000, 2000, 5000)] == [0.0, 0.05, 0.1, 0.0, 0.0]
    assert cosine(1500) == pytest.approx(0.05, rel=1e-15)
    again = schedules.CosineDecayRestarts(1.0, 1000)
    assert [again(t) for t in (0, 1000, 3000, 7000)] == [1.0] * 4
    assert all(again(t) < 1e-5 for t in (999, 2999, 6999))
    many = schedules.CosineDecayRestarts(1.0, 10, 3.0)  # 3**i has no exact logarithm
    assert [many(10 * (3**i - 1) // 2) for i in range(15)] == [1.0] * 15
    inverse = schedules.InverseTimeDecay(0.1, 1, 0.5)
    assert inverse(1) == 0.1 / 1.5 and inverse(2) == 0.05


def test_bits_are_fixed():
    """Digests of rates: they may change only with a line in the changelog."""
    digest = hashlib.sha256()
    for name in sorted(CASES):
        for schedule, _ in CASES[name]:
            digest.update(schedule(np.arange(5000)).astype("<f8").tobytes())
    assert digest.hexdigest() == "2bbab8c3431144b257c06c86ef9c3d50443285ae3e95eec0c1770a34381048a9"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedules.StepDecay(-1, 10), InvalidValueError, "initial_learning_rate must be at least 0, got -1"),
        (lambda: schedules.StepDecay(0.1, 0), InvalidValueError, "step_size must be at least 1, got 0"),
        (lambda: schedules.StepDecay(0.1, 1.5), InvalidTypeError, "step_size must be a whole number of steps, got 1.5"),
        (
            lambda: schedules.PiecewiseConstantDecay([1], [1]),
            InvalidValueError,
            "one more than boundaries, got 1 for 1",
        ),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [1, 1, 1]), InvalidValueError, "must rise"),
        (lambda: schedules.PiecewiseConstantDecay(3, [1, 1, 1]), InvalidTypeError, "boundaries must be a sequence"),
        (lambda: schedules.CosineDecay(0.1, 10, warmup_steps=5), InvalidValueError, "needs a warmup_target"),
        (lambda: schedules.CosineDecayRestarts(0.1, 10, 0.5), InvalidValueError, "t_mul must be at least 1, got 0.5"),
        (lambda: schedules.LinearWarmup("adam", 3), InvalidTypeError, "a schedule is one of cosine_decay, .* 'adam'"),
        (lambda: schedules.OneCycle(0.1, 10, anneal_strategy="cosine"), InvalidValueError, "'cos' or 'linear'"),
        (lambda: schedules.OneCycle(0.1, 1), InvalidValueError, "total_steps must be at least 2"),
        (lambda: schedules.StepDecay(0.1, 10)(-1), InvalidValueError, "numbers of updates"),
        (lambda: schedules.get({"name": "cosine"}), UnknownNameError, "did you mean 'cosine_decay'"),
        (lambda: schedules.get({"name": "step_decay", "step": 1}), UnknownNameError, "argument of StepDecay 'step'"),
        (lambda: schedules.get({"name": "step_decay"}), InvalidValueError, "missing .*'step_size'"),
        (lambda: schedules.get({}), InvalidValueError, "needs a 'name'"),
        (lambda: LearningRateSchedule.from_config("step_decay"), InvalidTypeError, "is a mapping"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
