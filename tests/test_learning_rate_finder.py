"""Learning-rate finder: its rates, what it stops at, the suggestion, and that the model stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn.errors import InvalidTypeError, InvalidValueError, NotBuiltError
from fastnn.layers import GRU, Dense, Dropout
from fastnn.models import LearningRateSweep, Sequential, find_learning_rate
from fastnn.models.learning_rate_finder import _end, _rates, _smooth, _steepest
from fastnn.optimizers import Adam

BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])

RNG = np.random.default_rng(0)
X = RNG.standard_normal((100, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 1.0


def model(backend="numpy", dtype="float64"):
    made = Sequential([Dense(8, activation="tanh"), Dropout(0.1), Dense(1)], dtype=dtype, seed=2, backend=backend)
    made.compile(Adam(0.01), "mse", ["mae"])
    return made


def test_rates_grow_by_one_factor():
    rates = _rates(1e-6, 10.0, 15)
    assert rates[0] == 1e-6 and rates[-1] == 10.0
    np.testing.assert_allclose(rates, np.geomspace(1e-6, 10.0, 15), rtol=1e-13)


def test_smoothing_end_and_suggestion():
    np.testing.assert_allclose(_smooth([2.0, 4.0], 0.5), [2.0, (0.25 * 2 + 0.5 * 4) / 0.75])
    assert list(_smooth([3.0, 1.0], 0.0)) == [3.0, 1.0]
    assert _end(np.array([2.0, 1.0, 3.9, 4.1, 0.5])) == 3
    assert _end(np.array([2.0, np.nan, 1.0])) == 1
    assert _end(np.array([-1.0, -2.0, 3.9, 4.1])) == 3
    falling = np.array([5.0, 5.0, 5.0, 4.0, 2.0, 1.5, 1.4, 9.0, 1.0, 9.0])
    assert _steepest(falling, np.array([5.0, 5.0, 5.0, 4.5, 3.0, 2.5, 2.4, 3.0, 3.0, 4.0])) == 3  # 2 - 5 is the least
    rising = np.arange(10.0)
    assert _steepest(rising, rising) is None and _steepest(rising[:2], rising[:2]) is None


@BACKENDS
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_useful_rate_is_found_and_the_end_is_beyond_it(backend, optimizer):
    made = model(backend)
    made.compile(optimizer, "mse")
    sweep = find_learning_rate(made, X, Y, batch_size=20)
    assert len(sweep.rates) == len(sweep.losses) == len(sweep.smoothed) <= 200
    assert sweep.suggestion in sweep.rates and 1e-4 < sweep.suggestion < 1.0
    made.optimizer.learning_rate = sweep.suggestion
    history = made.fit(X, Y, batch_size=20, epochs=20, verbose=0).history["loss"]
    assert history[-1] < 0.2 * history[0]


@BACKENDS
def test_losses_are_those_of_training_with_those_rates(backend):
    """A step of the sweep is a step of ``fit``: the first losses by training one batch at a time."""
    made = model(backend)
    sweep = find_learning_rate(made, X[:20], Y[:20], batch_size=20, steps=10, lowest=1e-3, highest=1e-2)
    again = model(backend)
    rates = _rates(1e-3, 1e-2, 10)
    again.compile(Adam(lambda step: float(rates[min(step, 9)])), "mse")
    losses = again.fit(X[:20], Y[:20], batch_size=20, epochs=10, verbose=0).history["loss"]
    assert_same_bits(sweep.losses, np.array(losses))
    assert_same_bits(sweep.rates, rates)


@pytest.mark.needs_jit
def test_both_backends_see_the_same():
    ours, theirs = (
        find_learning_rate(model(backend, "float32"), X, Y, highest=100.0) for backend in ("numpy", "numba")
    )
    for name in ("rates", "losses", "smoothed"):
        assert_same_bits(getattr(ours, name), getattr(theirs, name))
    assert ours.suggestion == theirs.suggestion


@BACKENDS
def test_the_model_stays_as_it_was(backend):
    made, other = model(backend), model(backend)
    for one in (made, other):
        one.fit(X, Y, epochs=2, verbose=0)
    history = made.history
    before = made.parameters.copy()
    find_learning_rate(made, X, Y, steps=50)
    assert_same_bits(made.parameters, before)
    assert made.history is history and made.optimizer.learning_rate == 0.01 and not made.stop_training
    for one in (made, other):
        one.fit(X, Y, epochs=2, verbose=0)  # optimizer state, step and epoch go on as if nothing had been
    assert_same_bits(made.parameters, other.parameters)


def test_a_model_that_is_not_built_stays_so():
    made = model()
    find_learning_rate(made, X, Y, steps=10)
    assert not made.built


def test_stateful_layers():
    made = Sequential([GRU(3, stateful=True), Dense(1)], backend="numpy")
    made.compile("sgd", "mse")
    sweep = find_learning_rate(made, RNG.standard_normal((8, 4, 2)), np.ones(8), batch_size=4, steps=12, highest=0.1)
    assert len(sweep.rates) == 12


def test_what_cannot_be_swept():
    with pytest.raises(InvalidTypeError, match="takes a Sequential, got str"):
        find_learning_rate("model", X, Y)
    with pytest.raises(NotBuiltError, match="not compiled"):
        find_learning_rate(Sequential([Dense(1)], backend="numpy"), X, Y)
    with pytest.raises(InvalidValueError, match=r"lowest must be below highest, got 1.0 and 0.1"):
        find_learning_rate(model(), X, Y, lowest=1.0, highest=0.1)
    with pytest.raises(InvalidValueError, match="lowest must be above 0"):
        find_learning_rate(model(), X, Y, lowest=0.0)
    with pytest.raises(InvalidValueError, match="steps must be at least 10, got 3"):
        find_learning_rate(model(), X, Y, steps=3)
    with pytest.raises(InvalidValueError, match=r"smoothing must be in \[0, 1\)"):
        find_learning_rate(model(), X, Y, smoothing=1.0)
    with pytest.raises(InvalidValueError, match="x holds nan"):
        find_learning_rate(model(), X * np.nan, Y)


def test_its_picture():
    pytest.importorskip("matplotlib")
    from fastnn.plots import learning_rate_curve, new_figure

    sweep = LearningRateSweep(np.array([0.1, 1.0, 10.0]), np.array([4.0, 2.0, 3.0]), np.array([4.0, 3.0, 3.5]), 0.1)
    (axes,) = sweep.plot(title="T", figure=new_figure()).axes
    assert axes.get_xscale() == "log"
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines["each minibatch"].get_ydata()) == [4.0, 2.0, 3.0]
    assert list(lines["smoothed"].get_ydata()) == [4.0, 3.0, 3.5]
    (x,), (y,) = lines["steepest descent, 0.1"].get_data()
    assert (x, y) == (0.1, 4.0)
    none = LearningRateSweep(sweep.rates, sweep.losses, sweep.losses, None)
    assert len(learning_rate_curve(none, figure=new_figure()).axes[0].get_lines()) == 2
    with pytest.raises(InvalidTypeError, match="draws what find_learning_rate returns, got float"):
        learning_rate_curve(0.1)
    with pytest.raises(InvalidValueError, match="no finite loss"):
        learning_rate_curve(LearningRateSweep(*[np.empty(0)] * 3, None))
