"""Optimizers: steps against a textbook in plain floats, compiled bits against NumPy's, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from formula_checks import DTYPES, awkward, check_straight_line, compiled, evaluate, same_bits

from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError
from fastnn.formulas import pow
from fastnn.optimizers import (
    OPTIMIZERS,
    RPROP,
    SGD,
    UPDATE_RULES,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Nadam,
    Optimizer,
    RMSprop,
    get,
    powers,
)

STEPS = 60
RATES = [0.05 / (1 + 0.1 * t) for t in range(STEPS)]


def gradients() -> list[float]:
    """Return gradients that change size and sign, one of them 0."""
    g = np.random.default_rng(7).normal(size=STEPS) * np.geomspace(3, 0.01, STEPS)
    g[5] = 0.0
    return g.tolist()


def sgd(w, momentum=0.0, nesterov=False, decay=0.0):
    v = 0.0
    for rate, g in zip(RATES, gradients()):
        w -= rate * decay * w
        if momentum == 0:
            w -= rate * g
        else:
            v = momentum * v - rate * g
            w += momentum * v - rate * g if nesterov else v
        yield w


def rmsprop(w, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    v = m = b = 0.0
    for rate, g in zip(RATES, gradients()):
        v = rho * v + (1 - rho) * g**2
        m = rho * m + (1 - rho) * g
        b = momentum * b + rate * g / math.sqrt(v - (m**2 if centered else 0) + epsilon)
        w -= b
        yield w


def adagrad(w, start=0.1, epsilon=1e-7):
    v = start
    for rate, g in zip(RATES, gradients()):
        v += g**2
        w -= rate * g / math.sqrt(v + epsilon)
        yield w


def adadelta(w, rho=0.95, epsilon=1e-7):
    v = u = 0.0
    for rate, g in zip(RATES, gradients()):
        v = rho * v + (1 - rho) * g**2
        step = math.sqrt(u + epsilon) / math.sqrt(v + epsilon) * g
        u = rho * u + (1 - rho) * step**2
        w -= rate * step
        yield w


def adam(w, b1=0.9, b2=0.999, epsilon=1e-7, amsgrad=False, decay=0.0):
    m = v = top = 0.0
    for t, (rate, g) in enumerate(zip(RATES, gradients()), start=1):
        w -= rate * decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        top = max(top, v) if amsgrad else v
        w -= rate * math.sqrt(1 - b2**t) / (1 - b1**t) * m / (math.sqrt(top) + epsilon)
        yield w


def nadam(w, b1=0.9, b2=0.999, epsilon=1e-7):
    m = v = 0.0
    product = 1.0
    for t, (rate, g) in enumerate(zip(RATES, gradients()), start=1):
        mu, coming = (b1 * (1 - 0.5 * 0.96**s) for s in (t, t + 1))
        product *= mu
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat = coming * m / (1 - product * coming) + (1 - mu) * g / (1 - product)
        w -= rate * m_hat / (math.sqrt(v / (1 - b2**t)) + epsilon)
        yield w


def rprop(w, step=0.01, shrink=0.5, grow=1.2, smallest=1e-6, largest=50.0):
    before = 0.0
    for g in gradients():
        if g * before > 0:
            step = min(step * grow, largest)
        elif g * before < 0:
            step = max(step * shrink, smallest)
            g = 0.0
        w -= math.copysign(step, g) if g else 0.0
        before = g
        yield w


TEXTBOOK = {
    "sgd": (SGD(), sgd, {}),
    "sgd_decay": (SGD(weight_decay=0.1), sgd, {"decay": 0.1}),
    "sgd_momentum": (SGD(momentum=0.9), sgd, {"momentum": 0.9}),
    "sgd_nesterov": (
        SGD(momentum=0.9, nesterov=True, weight_decay=0.1),
        sgd,
        {"momentum": 0.9, "nesterov": True, "decay": 0.1},
    ),
    "rmsprop": (RMSprop(), rmsprop, {}),
    "rmsprop_momentum": (RMSprop(momentum=0.5, rho=0.8), rmsprop, {"momentum": 0.5, "rho": 0.8}),
    "rmsprop_centered": (RMSprop(centered=True, epsilon=1e-3), rmsprop, {"centered": True, "epsilon": 1e-3}),
    "adagrad": (Adagrad(), adagrad, {}),
    "adagrad_start": (Adagrad(initial_accumulator_value=0.5), adagrad, {"start": 0.5}),
    "adadelta": (Adadelta(), adadelta, {}),
    "adam": (Adam(), adam, {}),
    "adam_amsgrad": (Adam(amsgrad=True, beta_2=0.9), adam, {"amsgrad": True, "b2": 0.9}),
    "adamw": (AdamW(), adam, {"decay": 0.004}),
    "nadam": (Nadam(), nadam, {}),
    "nadam_beta": (Nadam(beta_1=0.5), nadam, {"b1": 0.5}),
    "rprop": (RPROP(), rprop, {}),
    "rprop_bounds": (
        RPROP(0.5, step_max=0.6, step_min=0.3),
        rprop,
        {"step": 0.5, "largest": 0.6, "smallest": 0.3},
    ),
}


def test_every_rule_has_a_textbook():
    assert {optimizer.rule.name for optimizer, _, _ in TEXTBOOK.values()} == set(UPDATE_RULES)
    assert {type(optimizer) for optimizer, _, _ in TEXTBOOK.values()} == {OPTIMIZERS[n] for n in OPTIMIZERS}


@pytest.mark.parametrize("case", TEXTBOOK)
def test_steps_against_the_textbook(case):
    optimizer, textbook, settings = TEXTBOOK[case]
    rule = optimizer.rule
    table = optimizer.scalars(np.arange(1, STEPS + 1), RATES)
    assert table.shape == (STEPS, len(rule.scalar_names))
    starts = [0.5, -2.0]
    w = np.array(starts)
    slots = tuple(np.full(2, initial) for initial in rule.slots)
    expected = list(zip(*(textbook(start, **settings) for start in starts)))
    for row, g, target in zip(table, gradients(), expected, strict=True):
        w, slots = rule.update(w, np.full(2, g), slots, tuple(row))
        np.testing.assert_allclose(w, target, rtol=1e-12, atol=1e-12)
    assert len(slots) == len(rule.slots)


def test_first_adam_step_by_hand():
    """The first step of Adam is the rate times the gradient's sign, nearly."""
    optimizer = Adam(0.1, epsilon=1e-12)
    scalars = tuple(optimizer.scalars([1], [0.1])[0])
    w, _ = optimizer.rule.update(np.array([1.0, 1.0]), np.array([0.3, -20.0]), (np.zeros(2),) * 2, scalars)
    np.testing.assert_allclose(w, [0.9, 1.1], rtol=1e-9)


def test_scalars_do_not_depend_on_how_steps_are_grouped():
    for name in OPTIMIZERS:
        steps = np.arange(1, 3001)
        rates = np.full(steps.size, 0.01)
        whole = OPTIMIZERS[name]().scalars(steps, rates)
        parts = OPTIMIZERS[name]()
        last = parts.scalars(steps[2000:], rates[2000:])
        first = parts.scalars(steps[:2000], rates[:2000])
        assert np.concatenate([first, last]).tobytes() == whole.tobytes(), name


def test_powers_are_the_same_whatever_was_asked_for_before(monkeypatch):
    monkeypatch.setattr(powers, "_tables", {})
    rates = (0.9, 0.999)
    asked = (1, 1), (1, 70), (60, 10), (1000, 30), (4090, 7), (4096, 1), (4097, 2), (4090, 10), (10**6, 1)
    for first, count in asked:
        steps = np.arange(first, first + count, dtype=np.float64)
        expected = [[float(pow(np.array([rate]), np.array([t]))[0]) for t in steps] for rate in rates]
        assert powers.powers(rates, steps).tobytes() == np.array(expected).tobytes(), (first, count)
    assert powers.powers(rates, np.empty(0)).shape == (2, 0)
    assert powers._tables[rates].shape == (2, powers.REMEMBERED)
    for k in range(2 * powers.KEPT_RATES):
        powers.powers((k / 100,), steps[:1] * 0 + 3)
    assert len(powers._tables) == powers.KEPT_RATES and rates not in powers._tables


def test_nadams_products_survive_a_changed_beta():
    optimizer = Nadam()
    optimizer.scalars([500], [0.1])
    optimizer.beta_1 = 0.5
    assert optimizer.scalars([3], [0.1]).tobytes() == Nadam(beta_1=0.5).scalars([3], [0.1]).tobytes()


@pytest.mark.parametrize("name", UPDATE_RULES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.needs_jit
def test_compiled_bits_equal_numpys(name, dtype):
    rule = UPDATE_RULES[name]
    w, g = awkward(dtype, 1), awkward(dtype, 2)[::-1].copy()
    slots = tuple(abs(awkward(dtype, 3 + i)) for i in range(len(rule.slots)))
    if name == "rprop":
        slots = (awkward(dtype, 9), slots[1])
    scalars = tuple(np.linspace(0.1, 0.9, len(rule.scalar_names)).astype(dtype))
    new, state = evaluate(rule.update, w, g, slots, scalars)
    expected = np.stack([new, *state])
    results = compiled(flat(rule), [w, g, *slots, *scalars], len(expected))
    assert same_bits(results, expected)


def flat(rule):
    """Return the rule's update as a function of separate arguments that returns one tuple."""
    from fastnn.backends.numba_backend.single_source import share, tell_numba

    slots = [f"s{i}" for i in range(len(rule.slots))]
    scalars = [f"c{i}" for i in range(len(rule.scalar_names))]
    packed = f"({''.join(s + ', ' for s in slots)}), ({''.join(c + ', ' for c in scalars)})"
    scope = {"update": share(rule.update)}
    tell_numba()
    exec(
        f"def flat({', '.join(['w', 'g', *slots, *scalars])}):\n"
        f"    new, state = update(w, g, {packed})\n    return (new,) + state\n",
        scope,
    )
    return scope["flat"]


@pytest.mark.parametrize("name", UPDATE_RULES)
def test_formulas_are_straight_lines(name):
    check_straight_line(UPDATE_RULES[name].update)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zero_gradients_leave_fresh_weights_alone(name):
    """Without decay and with fresh state, a weight whose gradient is 0 keeps its bits."""
    optimizer = OPTIMIZERS[name]()
    optimizer.weight_decay = None
    scalars = tuple(optimizer.scalars([1], [0.1])[0])
    w = np.array([1.5, -2.0, 1e-300])
    slots = tuple(np.full(3, initial) for initial in optimizer.rule.slots)
    after, _ = optimizer.rule.update(w, np.zeros(3), slots, scalars)
    assert after.tobytes() == w.tobytes()


def test_config_round_trip():
    for name in OPTIMIZERS:
        optimizer = OPTIMIZERS[name](learning_rate=0.25, clipnorm=1.0)
        config = optimizer.config()
        assert config["name"] == name == optimizer.name
        assert Optimizer.from_config(config) == optimizer
        assert get(config) == optimizer
    assert Optimizer.from_config(RPROP().config()) == RPROP()


def test_defaults_are_keras():
    assert SGD().learning_rate == 0.01
    for optimizer in (RMSprop(), Adagrad(), Adadelta(), Adam(), AdamW(), Nadam()):
        assert (optimizer.learning_rate, optimizer.epsilon) == (0.001, 1e-7)
    assert AdamW().weight_decay == 0.004
    assert Adam().weight_decay is None
    assert (Adam().beta_1, Adam().beta_2, RMSprop().rho, Adadelta().rho) == (0.9, 0.999, 0.9, 0.95)


def test_get():
    assert get("adam") == Adam()
    assert get(Adam) == Adam()
    own = SGD(0.5)
    assert get(own) is own
    with pytest.raises(UnknownNameError, match="did you mean 'adam'"):
        get("adm")
    with pytest.raises(InvalidTypeError, match="an optimizer is"):
        get(3)


def test_learning_rates_from_number_and_schedule():
    assert SGD(0.5).learning_rates([1, 2]).tolist() == [0.5, 0.5]
    halving = SGD(lambda step: 0.5**step)
    assert halving.learning_rates([1, 2, 4]).tolist() == [1.0, 0.5, 0.125]
    with pytest.raises(InvalidValueError, match="rate at step 2"):
        SGD(lambda step: 1.0 - 2 * step).learning_rates([1, 2])
    changed = SGD(0.5)
    changed.learning_rate = -1.0
    with pytest.raises(InvalidValueError, match="at least 0"):
        changed.learning_rates([1])


BAD = [
    (lambda: SGD(-0.1), "learning_rate must be at least 0"),
    (lambda: SGD(float("nan")), "learning_rate must be finite"),
    (lambda: SGD(momentum=1.0), r"momentum must be in \[0, 1\)"),
    (lambda: Adam(beta_1=1.0), r"beta_1 must be in \[0, 1\)"),
    (lambda: Adam(beta_2=-0.1), r"beta_2 must be in \[0, 1\)"),
    (lambda: Nadam(beta_2=2), r"beta_2 must be in \[0, 1\)"),
    (lambda: RMSprop(rho=1.5), r"rho must be in \[0, 1\)"),
    (lambda: Adadelta(epsilon=0.0), "epsilon must be above 0"),
    (lambda: Adagrad(initial_accumulator_value=-1.0), "initial_accumulator_value must be at least 0"),
    (lambda: AdamW(weight_decay=-0.1), "weight_decay must be at least 0"),
    (lambda: SGD(clipnorm=0.0), "clipnorm must be above 0"),
    (lambda: SGD(clipnorm=1.0, clipvalue=1.0), "at most one kind of clipping"),
    (lambda: RPROP(weight_decay=0.1), "no weight decay"),
    (lambda: RPROP(eta_minus=1.1), "0 < eta_minus < 1 < eta_plus"),
    (lambda: RPROP(step_min=2.0, step_max=1.0), "step_min must be at most step_max"),
    (lambda: SGD().scalars([1, 2], [0.1]), "of one length"),
    (lambda: Optimizer.from_config({"learning_rate": 1.0}), "needs a 'name'"),
    (lambda: Optimizer.from_config({"name": "adam", "beta": 1.0}), "did you mean 'beta_1'|'beta_2'"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_values(make, message):
    with pytest.raises(InvalidValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD("fast"),
        lambda: SGD(True),
        lambda: SGD(nesterov=1),
        lambda: Adam(amsgrad="no"),
        lambda: RMSprop(centered=None),
        lambda: RPROP(lambda step: 0.1),
    ],
)
def test_bad_types(make):
    with pytest.raises(InvalidTypeError):
        make()
