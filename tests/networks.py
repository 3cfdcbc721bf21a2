"""Small networks for the parity tests: build one, run every program of a backend on it, compare two backends.

``quantities`` returns everything a program of an executor writes, by name; ``check_parity`` compares two
backends' bit by bit. Nothing here knows which backend is right.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bits import assert_same_bits

from fastnn import activations, losses
from fastnn.optimizers import SGD, Optimizer
from fastnn.plan import Plan, PlanBuilder
from fastnn.plan.data import Data
from fastnn.plan.executor import Draw, State

LAYOUTS = (
    "contiguous",
    "fortran",
    "strided",
    "reversed",
    "readonly",
    "broadcast",
    "other float",
    "int64",
    "uint8",
)


@dataclass(frozen=True)
class Network:
    """A dense network: units of each layer from the inputs on, and what is attached to it."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    bias: bool = True
    penalty: tuple[float, float] = (0.0, 0.0)
    activity: tuple[float, float] | None = None

    def plan(self) -> Plan:
        builder = PlanBuilder(self.sizes[0])
        x = builder.inputs
        for layer, (units, name) in enumerate(zip(self.sizes[1:], self.activations, strict=True)):
            builder.layer = layer
            fans = (x.rows, units)
            weights = builder.parameter("W", (units, x.rows), None, fans, self.penalty)
            bias = builder.parameter("b", (units,), None, fans) if self.bias else None
            x = builder.activation(builder.dense(x, weights, bias), activations.get(name))
            if self.activity is not None:
                builder.activity_penalty(x, *self.activity)
        return builder.finish(x, losses.get(self.loss))


@dataclass(frozen=True)
class Stack:
    """Layers as a model stacks them, as they are trained or, without ``training``, as they are used."""

    layers: Callable[[], Sequence[Any]]
    shape: tuple[int, ...]
    loss: str = "mean_squared_error"
    training: bool = True

    def plan(self) -> Plan:
        builder = PlanBuilder(self.shape, self.training)
        x = builder.inputs
        for builder.layer, layer in enumerate(self.layers()):
            x = layer.build(builder, x)
        return builder.finish(x, losses.get(self.loss))


def awkward(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return numbers of which every fourth or so is a zero, a subnormal, huge, infinite or NaN."""
    info = np.finfo(dtype)
    special = [0.0, -0.0, info.smallest_subnormal, -info.tiny / 3, info.max, -info.max / 7, np.inf, -np.inf]
    special = np.array([*special, np.nan, 90.0, -90.0, 1e-8], dtype)
    x = (rng.standard_normal(shape) * 3).astype(dtype)
    return np.where(rng.random(shape) < 0.25, rng.choice(special, shape), x)


def laid_out(x: Any, layout: str, dtype: Any) -> Any:
    """Return the values of ``x`` (or whole numbers, for an integer layout) lying in memory as told."""
    if layout == "fortran":
        return np.asfortranarray(x)
    if layout == "strided":
        wide = np.full((2 * x.shape[0], 3 * x.shape[1] + 1), np.nan, x.dtype)
        wide[::2, 1::3] = x
        return wide[::2, 1::3]
    if layout == "reversed":
        return np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    if layout == "readonly":
        x = x.copy()
        x.flags.writeable = False
        return x
    if layout == "broadcast":
        return np.broadcast_to(x[:1], x.shape)
    if layout == "other float":
        with np.errstate(over="ignore"):
            return x.astype(np.float64 if dtype == np.float32 else np.float32)
    if layout in ("int64", "uint8"):
        scale = 2**40 if layout == "int64" else 50
        with np.errstate(invalid="ignore"):
            return (np.nan_to_num(x, posinf=3.0, neginf=-3.0).clip(-4, 4) * scale).astype(layout)
    assert layout == "contiguous"
    return np.ascontiguousarray(x)


def make_data(
    plan: Plan, dtype: Any, samples: int, seed: int = 0, *, layout: str = "contiguous", order: str = "none",
    weighted: bool = False, special: bool = False,
) -> Data:  # fmt: skip
    """Return samples, targets that fit the plan's loss, weights and an order."""
    rng = np.random.default_rng(seed)
    shape = (samples, plan.inputs.rows)
    wide = np.float64 if layout == "other float" else dtype
    x = awkward(rng, shape, dtype) if special else rng.standard_normal(shape).astype(wide)
    outputs = plan.outputs.rows
    assert plan.loss is not None
    if plan.loss.labels:
        classes = plan.outputs.shape[-1]
        y: Any = rng.integers(0, classes, samples if classes == outputs else (samples, outputs // classes))
    else:
        y = rng.random((samples, outputs)).astype(dtype)
        y[rng.random(y.shape) < 0.2] = 0
        y[rng.random(y.shape) < 0.2] = 1
        if layout in ("strided", "fortran", "reversed", "other float"):
            y = laid_out(y, layout, dtype)
    rows = {
        "none": None,
        "permutation": rng.permutation(samples),
        "repeats": rng.integers(0, samples, samples + 1),
    }[order]
    weight = rng.random(samples).astype(dtype) * 2 if weighted else None
    return Data(laid_out(x, layout, dtype), y, weight, rows)


def start(plan: Plan, dtype: Any, seed: int = 1, special: bool = False) -> Any:
    """Return initial parameters: of moderate size, or awkward ones among them."""
    rng = np.random.default_rng(seed)
    p = rng.standard_normal(plan.size) * 0.5
    if special:
        p[rng.random(plan.size) < 0.05] = rng.choice([0.0, -0.0, 1e-42, 1e30, -1e30])
    return p.astype(dtype)


MOST_CARRIED = 4000
"""Samples that what is carried has room for."""


def state_of(plan: Plan, dtype: Any, optimizer: Optimizer, parameters: Any) -> State:
    slots = np.empty((len(optimizer.rule.slots), plan.size), dtype)
    slots[...] = np.array(optimizer.rule.slots, dtype)[:, None]
    statistics = np.linspace(0.5, 1.5, plan.statistics_size).astype(dtype)
    carried = (
        np.linspace(-1, 1, plan.carried_rows * MOST_CARRIED).astype(dtype).reshape(plan.carried_rows, MOST_CARRIED)
    )
    return State(parameters.copy(), np.full(plan.size, np.nan, dtype), slots, statistics, carried)


def scalars_of(optimizer: Optimizer, dtype: Any, first: int, steps: int) -> Any:
    """Return the optimizer's scalars for ``steps`` updates from number ``first`` (1-based) on."""
    numbers = np.arange(first, first + steps)
    return optimizer.scalars(numbers, optimizer.learning_rates(numbers)).astype(dtype)


def quantities(
    backend: Any, plan: Plan, dtype: Any, data: Data, batch: int, optimizer: Optimizer | None = None,
    steps: int = 3, parameters: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """Run the four programs of ``backend`` and return everything they write, by name."""
    optimizer = optimizer or SGD(0.1)
    parameters = start(plan, dtype) if parameters is None else parameters
    state = state_of(plan, dtype, optimizer, parameters)
    executor = backend.executor(plan, dtype, state, optimizer)
    whole = -(-data.samples // batch)
    shape = (data.samples, plan.outputs.rows)
    out = {name: np.full(shape, np.nan, dtype) for name in ("predict", "evaluate", "train")}
    result = {}
    draw = Draw(2**63 + 5, 3)
    executor.run("predict", data, batch, whole, out=out["predict"], draw=draw)
    result["losses"] = executor.run("evaluate", data, batch, whole, out=out["evaluate"], draw=draw)
    singles = min(data.samples, 30)  # a sum over many samples rounds an ulp of one of them away
    result["losses of single samples"] = executor.run("evaluate", data, 1, singles, draw=draw)
    result["gradient losses"] = executor.run("gradients", data, batch, 1, draw=draw)
    assert_same_bits(state.parameters, parameters, "parameters after programs that only read them")
    if plan.statistics_size:
        before = state_of(plan, dtype, optimizer, parameters).statistics
        assert_same_bits(state.statistics, before, "statistics after programs that only read them")
    result["gradients"] = state.gradients.copy()
    scalars = scalars_of(optimizer, dtype, 1, steps)
    result["train losses"] = executor.run("train", data, batch, steps, scalars=scalars, out=out["train"],
                                          draw=draw)  # fmt: skip
    result["weights"], result["slots"], result["statistics"] = state.parameters, state.slots, state.statistics
    result["carried"] = state.carried
    return result | {f"predictions of {name}": values for name, values in out.items()}


def assert_same_quantities(a: Mapping[str, Any], b: Mapping[str, Any], what: str) -> None:
    """Assert that two results of ``quantities`` agree in every bit."""
    assert a.keys() == b.keys()
    for name in a:
        assert_same_bits(a[name], b[name], f"{what}: {name}")


def pairwise(factors: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return cases such that any two options of two factors stand together in one of them (greedy cover)."""
    names = list(factors)
    missing = {
        (f, a, g, b)
        for f, g in itertools.combinations(range(len(names)), 2)
        for a in range(len(factors[names[f]]))
        for b in range(len(factors[names[g]]))
    }
    cases = []
    while missing:
        f, a, g, b = min(missing)
        chosen = {f: a, g: b}
        for h in range(len(names)):
            if h not in chosen:
                gains = [
                    sum(((i, c, h, o) if i < h else (h, o, i, c)) in missing for i, c in chosen.items())
                    for o in range(len(factors[names[h]]))
                ]
                chosen[h] = gains.index(max(gains))
        missing -= {(i, chosen[i], j, chosen[j]) for i, j in itertools.combinations(range(len(names)), 2)}
        cases.append({name: factors[name][chosen[h]] for h, name in enumerate(names)})
    return cases
