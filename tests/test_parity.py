"""Both backends return the same bits: all that is registered, both dtypes, awkward sizes, 1 and 2 threads.

Each case runs all four programs (predict, evaluate, gradients, train) and compares every array they write.
The Numba backend runs twice: on one thread, and on two with every region launched in parallel however
small. Combinations of shape, batch, order, layout and so on are covered pairwise; ``test_registries.py``
checks that no entry is left out.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Any

import numba
import numpy as np
import pytest
from bits import assert_same_bits
from networks import (
    LAYOUTS,
    Network,
    assert_same_quantities,
    make_data,
    pairwise,
    quantities,
    scalars_of,
    start,
    state_of,
)

from fastnn import activations, losses
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numba_backend import _launch, _ops, walker
from fastnn.optimizers import RPROP, SGD, UPDATE_RULES, Adadelta, Adagrad, Adam, AdamW, Nadam, RMSprop
from fastnn.plan.data import Data

pytestmark = pytest.mark.needs_jit

# the package's attribute of that name is the executor's class
numba_lowering = importlib.import_module("fastnn.backends.numba_backend.lowering")
numba_workspace = importlib.import_module("fastnn.backends.numba_backend.workspace")

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
WIDTHS = (1, 2, 3, 5, 10, 16, 17, 33, 64, 65, 130)
SAMPLES = (1, 2, 3, 17, 63, 64, 65, 130, 1025, 2049)

OPTIMIZERS = {
    "sgd": SGD(0.1, weight_decay=0.01),
    "sgd_momentum": SGD(0.1, momentum=0.9),
    "sgd_nesterov": SGD(lambda step: 0.1 / (step + 1), momentum=0.9, nesterov=True),
    "rmsprop": RMSprop(0.01),
    "rmsprop_momentum": RMSprop(0.01, momentum=0.5),
    "rmsprop_centered": RMSprop(0.01, centered=True),
    "adagrad": Adagrad(0.1),
    "adadelta": Adadelta(1.0),
    "adam": Adam(0.01),
    "adam_amsgrad": Adam(0.01, amsgrad=True),
    "adamw": AdamW(0.01),
    "nadam": Nadam(0.01),
    "rprop": RPROP(0.01),
}
"""One optimizer for each update rule, and AdamW."""

CLIPS: dict[str, dict[str, float]] = {
    "none": {},
    "clipvalue": {"clipvalue": 1e-3},
    "clipnorm": {"clipnorm": 1e-2},
    "global_clipnorm": {"global_clipnorm": 1e-2},
}


def with_clip(name: str, clip: str) -> Any:
    """Return the optimizer of a rule, clipping."""
    optimizer = OPTIMIZERS[name]
    config = optimizer.config() | CLIPS[clip]
    return type(optimizer)(**{k: v for k, v in config.items() if k != "name"})


@pytest.fixture
def launches(monkeypatch):
    """Make every region pay for a launch on two threads; the list grows by one with each parallel run."""
    calls = []
    parallel = walker.run_steps_parallel

    def spy(*arguments):
        calls.append(arguments[-1])
        return parallel(*arguments)

    monkeypatch.setattr(walker, "run_steps_parallel", spy)
    monkeypatch.setattr(numba_lowering, "LAUNCH_PAYS", 0.0)
    before = numba.get_num_threads()
    numba.set_num_threads(2)
    yield calls
    numba.set_num_threads(before)


def check(launches, plan, dtype, data, batch, **options):
    """Assert that NumPy, Numba on two threads and Numba on one give the same bits; return the reference's."""
    what = f"{data.samples} samples, batch {batch}, {np.dtype(dtype).name}"
    expected = quantities(numpy_backend, plan, dtype, data, batch, **options)
    count = len(launches)
    assert_same_quantities(
        expected, quantities(numba_backend, plan, dtype, data, batch, **options), f"2 threads, {what}"
    )
    assert len(launches) > count, "no parallel launch"
    numba.set_num_threads(1)
    try:
        count = len(launches)
        assert_same_quantities(
            expected, quantities(numba_backend, plan, dtype, data, batch, **options), f"1 thread, {what}"
        )
        assert len(launches) == count
    finally:
        numba.set_num_threads(2)
    return expected


SHAPES = pairwise(
    {
        "samples": SAMPLES,
        "features": WIDTHS,
        "units": WIDTHS,
        "outputs": WIDTHS,
        "dtype": (np.float32, np.float64),
        "batch": (7, 64, 100, 1024, 5000),
        "order": ("none", "permutation", "repeats"),
        "weighted": (False, True),
        "layout": LAYOUTS,
        "bias": (True, False),
        "penalty": ((0.0, 0.0), (0.01, 0.02)),
        "special": (False, True),
    }
)


@pytest.mark.parametrize("part", range(8))
def test_shapes_orders_and_layouts(launches, part):
    for number, case in list(enumerate(SHAPES))[part::8]:
        sizes = (case["features"], case["units"], case["outputs"])
        network = Network(sizes, ("tanh", "linear"), "mse", case["bias"], case["penalty"])
        plan, dtype = network.plan(), case["dtype"]
        data = make_data(plan, dtype, case["samples"], number, layout=case["layout"], order=case["order"],
                         weighted=case["weighted"], special=case["special"])  # fmt: skip
        parameters = start(plan, dtype, number, case["special"])
        batch = max(case["batch"], case["samples"] // 20)
        expected = check(launches, plan, dtype, data, batch, parameters=parameters)
        if not case["special"] and case["layout"] != "int64":
            assert np.isfinite(expected["gradients"]).all(), "the case says nothing"


@pytest.mark.parametrize("layout", LAYOUTS)
@DTYPES
def test_layouts_are_what_they_say(layout, dtype):
    data = make_data(Network((3, 2), ("linear",), "mse").plan(), dtype, 5, layout=layout)
    x, size = data.x, np.dtype(dtype).itemsize
    assert x.shape == (5, 3)
    strides = {"fortran": (size, 5 * size), "broadcast": (0, size), "reversed": (-3 * size, -size)}
    if layout in strides:
        assert x.strides == strides[layout]
    assert (x.dtype == dtype) == (layout not in ("other float", "int64", "uint8"))
    assert x.flags.writeable == (layout not in ("readonly", "broadcast"))
    assert x.flags.c_contiguous == (layout in ("contiguous", "readonly", "other float", "int64", "uint8"))


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
@DTYPES
def test_activations(launches, name, dtype):
    at = list(activations.ACTIVATIONS).index(name)
    for special in (False, True):
        width = WIDTHS[(at + 3) % len(WIDTHS)]
        for sizes, acts in (((5, width, 3), (name, "linear")), ((4, 3, width), ("relu", name))):
            plan = Network(sizes, acts, "mse").plan()
            samples = SAMPLES[(at + len(sizes) * special) % 7]
            for n in (samples, 66):
                data = make_data(plan, dtype, n, at, special=special)
                check(launches, plan, dtype, data, 64, parameters=start(plan, dtype, 1, special))


@pytest.mark.parametrize("name", ["leaky_relu", "elu"])
def test_activations_with_another_alpha(launches, name, monkeypatch):
    other = activations.get(name).with_alpha(0.3)
    monkeypatch.setattr(activations, "get", lambda _: other)
    plan = Network((3, 4, 2), (name, name), "mse").plan()
    data = make_data(plan, np.float32, 70)
    a = check(launches, plan, np.float32, data, 64)
    monkeypatch.undo()
    plan = Network((3, 4, 2), (name, name), "mse").plan()
    b = quantities(numpy_backend, plan, np.float32, data, 64)
    assert not (a["predictions of predict"] == b["predictions of predict"]).all(), "alpha is not used"


def fitting(name: str) -> list[str]:
    """Return output activations to test a loss with: all it fuses with, and some it does not."""
    loss = losses.get(name)
    return sorted({*loss.fused, *loss.fused_sample_wise, "linear", "sigmoid", "softmax"})


@pytest.mark.parametrize("name", losses.LOSSES)
@DTYPES
def test_losses(launches, name, dtype):
    for at, activation in enumerate(fitting(name)):
        for outputs, samples, special in ((1, 3, False), (3, 65, True), (10, 66, False), (17, 130, True)):
            plan = Network((3, outputs), (activation,), name).plan()
            data = make_data(plan, dtype, samples, at, weighted=bool(at % 2), special=special)
            check(launches, plan, dtype, data, 64, parameters=start(plan, dtype, at, special))


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.uint8])
def test_labels_and_integer_targets(launches, kind):
    for loss, outputs, activation in (
        ("sparse_categorical_crossentropy", 4, "softmax"),
        ("mse", 1, "linear"),
    ):
        plan = Network((3, outputs), (activation,), loss).plan()
        data = make_data(plan, np.float32, 66)
        y = np.arange(66).astype(kind) % 4
        for shaped in (y, y[:, None], np.repeat(y, 2)[::2]):
            check(launches, plan, np.float32, Data(data.x, shaped), 64)


def test_losses_with_another_delta(launches, monkeypatch):
    loss = losses.get("huber").with_delta(0.25)
    monkeypatch.setattr(losses, "get", lambda _: loss)
    plan = Network((3, 2), ("linear",), "huber").plan()
    data = make_data(plan, np.float32, 70)
    a = check(launches, plan, np.float32, data, 64)
    monkeypatch.undo()
    b = quantities(numpy_backend, Network((3, 2), ("linear",), "huber").plan(), np.float32, data, 64)
    assert not (a["losses"] == b["losses"]).all(), "delta is not used"


def test_every_rule_has_an_optimizer():
    assert {o.rule.name for o in OPTIMIZERS.values()} == set(UPDATE_RULES)


@pytest.mark.parametrize("name", OPTIMIZERS)
@DTYPES
def test_update_rules(launches, name, dtype):
    at = list(OPTIMIZERS).index(name)
    penalty = ((0.0, 0.0), (0.01, 0.0), (0.0, 0.02), (0.003, 0.004))[at % 4]
    # the rule fused with the gradient's sum, and the rule over the whole vector behind a norm
    for clip in ("none" if at % 2 else "clipvalue", "clipnorm" if at % 3 else "global_clipnorm"):
        plan = Network((17, 33, 5), ("tanh", "softmax"), "categorical_crossentropy", True, penalty).plan()
        data = make_data(plan, dtype, 150, at, order="permutation", weighted=True)
        check(launches, plan, dtype, data, 70, optimizer=with_clip(name, clip), steps=7)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("penalty", [(0.0, 0.0), (0.01, 0.0), (0.0, 0.02), (0.01, 0.02), (1e-60, 0.0)])
@DTYPES
def test_clipping_and_penalties(launches, clip, penalty, dtype):
    for special in (False, True):
        plan = Network((5, 17, 2), ("relu", "linear"), "mse", penalty=penalty).plan()
        data = make_data(plan, dtype, 66, special=special)
        parameters = start(plan, dtype, 3, special)
        if special:
            parameters[:3] = [np.inf, -np.inf, np.nan]
        one = check(launches, plan, dtype, data, 64, optimizer=with_clip("sgd_momentum", clip), parameters=parameters)
        if not special and clip != "none":
            other = quantities(numpy_backend, plan, dtype, data, 64, with_clip("sgd_momentum", "none"),
                               parameters=parameters)  # fmt: skip
            assert not (one["weights"] == other["weights"]).all(), "nothing was clipped"
        if not special and penalty[1]:
            assert (one["train losses"][:, 1] > 0).all()


@pytest.mark.parametrize("activity", [(0.01, 0.0), (0.0, 0.02), (0.01, 0.02)])
@DTYPES
def test_activity_penalties(launches, activity, dtype):
    for acts, loss in ((("tanh", "softmax"), "categorical_crossentropy"), (("relu", "sigmoid"), "mse"),
                       (("relu", "linear"), "mae")):  # fmt: skip
        for special in (False, True):
            plan = Network((5, 17, 3), acts, loss, activity=activity).plan()
            data = make_data(plan, dtype, 130, weighted=True, special=special)
            check(launches, plan, dtype, data, 100, parameters=start(plan, dtype, 3, special))


@pytest.mark.parametrize("depth", [1, 2, 6])
def test_depths(launches, depth):
    for activation in ("relu", "linear"):
        plan = Network((3, *[5] * depth), (activation,) * depth, "mse").plan()
        check(launches, plan, np.float32, make_data(plan, np.float32, 70), 70)


BACKENDS = pytest.mark.parametrize("backend", [numpy_backend, numba_backend], ids=["numpy", "numba"])


def predict(backend, plan, dtype, parameters, x, batch):
    out = np.full((len(x), plan.outputs.rows), np.nan, dtype)
    executor = backend.executor(plan, dtype, state_of(plan, dtype, SGD(), parameters))
    executor.run("predict", Data(x), batch, -(-len(x) // batch), out=out)
    return out


@BACKENDS
@pytest.mark.parametrize("activation", ["linear", "sigmoid", "softmax", "log_softmax", "gelu"])
@DTYPES
def test_a_prediction_does_not_depend_on_the_batch(launches, backend, activation, dtype):
    plan = Network((17, 9, 5), ("tanh", activation), "mse").plan()
    x, parameters = make_data(plan, dtype, 131, special=True).x, start(plan, dtype)
    whole = predict(backend, plan, dtype, parameters, x, 131)
    for batch in (1, 7, 64, 100):
        assert_same_bits(whole, predict(backend, plan, dtype, parameters, x, batch), f"batch {batch}")
    for i in (0, 1, 63, 64, 65, 130):
        assert_same_bits(whole[i : i + 1], predict(backend, plan, dtype, parameters, x[i : i + 1], 1), f"row {i}")


@BACKENDS
@DTYPES
def test_training_in_pieces_is_training_in_one_piece(launches, backend, dtype):
    plan = Network((7, 5, 3), ("tanh", "softmax"), "categorical_crossentropy").plan()
    data = make_data(plan, dtype, 100, order="permutation")
    optimizer, batch, steps = Adam(0.05), 30, 11  # an epoch is 4 steps, the last of 10 samples

    def run(pieces):
        state = state_of(plan, dtype, optimizer, start(plan, dtype))
        executor = backend.executor(plan, dtype, state, optimizer)
        done, first, sums = 0, 0, []
        for n in pieces:
            sums.append(executor.run("train", data, batch, n, first, scalars_of(optimizer, dtype, 1 + done, n)))
            done += n
            first = done % 4 * batch
        return state.parameters, state.slots, np.concatenate(sums)

    for pieces in ((3, 4, 4), (1,) * 11, (0, 5, 0, 6)):
        for a, b in zip(run((steps,)), run(pieces), strict=True):
            assert_same_bits(a, b, f"pieces {pieces}")


@DTYPES
def test_no_result_depends_on_what_a_workspace_held(launches, dtype, monkeypatch):
    allocate, seen = numba_workspace.aligned_zeros, []

    def poisoned(byte):
        def aligned_zeros(elements, kind):
            buffer = allocate(elements, kind)
            buffer.view(np.uint8)[...] = byte
            seen.append(buffer.size)
            return buffer

        return aligned_zeros

    for outputs, loss in ((3, "categorical_crossentropy"), (1, "mse")):
        network = Network((5, 17, outputs), ("gelu", "softmax"), loss, penalty=(0.01, 0.01), activity=(0.1, 0.1))
        plan = network.plan()
        for samples, layout in (
            (1, "contiguous"),
            (65, "other float"),
            (130, "fortran"),
            (1100, "contiguous"),
        ):
            for clip in CLIPS:
                data = make_data(plan, dtype, samples, layout=layout)
                results = []
                for byte in (0x00, 0xFF):
                    monkeypatch.setattr(numba_workspace, "aligned_zeros", poisoned(byte))
                    results.append(quantities(numba_backend, plan, dtype, data, 1100, with_clip("sgd", clip)))
                assert_same_quantities(*results, f"{samples} samples, {layout}, {clip}")
                assert np.isfinite(results[1]["weights"]).all()
    assert seen


@BACKENDS
def test_no_samples_give_no_losses(backend):
    plan = Network((3, 2), ("softmax",), "categorical_crossentropy").plan()
    data = Data(np.empty((0, 3), np.float32), np.empty((0, 2), np.float32))
    state = state_of(plan, np.float32, SGD(), start(plan, np.float32))
    executor = backend.executor(plan, np.float32, state, SGD())
    out = np.empty((0, 2), np.float32)
    for program in ("predict", "evaluate"):
        assert_same_bits(executor.run(program, data, 32, 0, out=out), np.zeros((0, 2)))


def test_the_backends_are_two():
    assert numpy_backend is not numba_backend
    assert numpy_backend.executor is not numba_backend.executor
    assert numpy_backend.executor.run is not numba_backend.executor.run
    assert not issubclass(numba_backend.executor, numpy_backend.executor)
    assert walker.run_steps is not walker.run_steps_parallel


def test_one_thread_can_do_every_workers_part(monkeypatch):
    """Workers that never run at the same time finish all the same: the first does everything, with the same bits."""
    network = Network((5, 17, 3), ("tanh", "softmax"), "categorical_crossentropy")
    plan = network.plan()
    data, optimizer = make_data(plan, np.float32, 200), OPTIMIZERS["adam"]
    expected = quantities(numpy_backend, plan, np.float32, data, 70, optimizer, 3)
    monkeypatch.setattr(numba_lowering, "LAUNCH_PAYS", 0.0)
    monkeypatch.setattr(_launch, "workers", lambda: 2)
    monkeypatch.setattr(walker, "run_steps", None)  # the serial walker would not show anything
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        found = quantities(numba_backend, plan, np.float32, data, 70, optimizer, 3)
    finally:
        numba.set_num_threads(before)
    assert_same_quantities(expected, found, "two workers on one thread")


@DTYPES
@pytest.mark.parametrize("sizes", [(4, 32, 32, 1), (70, 70, 3), (20, 90, 40, 2)], ids=str)
def test_threads_hand_on_their_sums(launches, monkeypatch, sizes, dtype):
    """Each thread sums its own samples, on from the sums of the one before: layers of one and of several items."""
    chains, chain = [], numba_lowering.Lowering.chain
    monkeypatch.setattr(numba_lowering.Lowering, "chain", lambda *given: chains.append(given[1:]) or chain(*given))
    network = Network(sizes, (*["tanh"] * (len(sizes) - 2), "linear"), "mse")
    plan = network.plan()
    data = make_data(plan, dtype, 2100, order="permutation", weighted=True)
    optimizer, batch = OPTIMIZERS["adam"], 1000
    expected = quantities(numpy_backend, plan, dtype, data, batch, optimizer, 3)
    for threads in range(1, min(4, numba.config.NUMBA_NUM_THREADS) + 1):
        numba.set_num_threads(threads)
        found = quantities(numba_backend, plan, dtype, data, batch, optimizer, 3)
        assert_same_quantities(expected, found, f"{threads} threads")
    assert len(launches) >= 3 * (threads - 1) > 0
    assert max(items for items, _ in chains) > 1, "the case says nothing"


def test_only_fastnn_s_own_functions_name_compiled_code_on_disk():
    """A user's function may change without the cache knowing, so an op made of it has no key."""
    own = activations.get("tanh").forward
    assert _ops._key_of((own, np.float32, True, None, 0.5)) == _ops._key_of((own, np.float32, True, None, 0.5))
    assert _ops._key_of((own, np.float32)) != _ops._key_of((own, np.float64))
    assert _ops._key_of((own, test_only_fastnn_s_own_functions_name_compiled_code_on_disk)) is None
    assert _ops._key_of((own, lambda z: z)) is None


FIT_ON_BOTH = """
import sys
import numpy as np
from fastnn import Dense, Sequential
X, Y = np.ones((4, 3), np.float32), np.eye(4, dtype=np.float32)
for optimizer in sys.argv[1:]:
    weights = []
    for backend in ("numpy", "numba"):
        model = Sequential([Dense(4)])
        model.compile(optimizer, "mse", backend=backend)
        model.fit(X, Y, epochs=2, verbose=0)
        weights.append(model.parameters)
    assert np.array_equal(*weights), optimizer
"""


def test_compiled_code_of_several_processes_lives_together(tmp_path):
    """A process that loads what two others compiled must not take one's closures for the other's."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for optimizers in (["rmsprop"], ["adam"], ["adam", "rmsprop"]):
        done = subprocess.run([sys.executable, "-c", FIT_ON_BOTH, *optimizers], env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
