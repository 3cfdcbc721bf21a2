"""compare(): two backends with the same bits pass, one ulp anywhere is found and named."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest

from fastnn.backends import numpy_backend
from fastnn.comparison import Comparison, compare
from fastnn.comparison.bits import difference
from fastnn.comparison.result import TEXTBOOK, duration
from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError

SMALL = {"sizes": (6, 8, 3), "batch": 16, "steps": 3}
QUANTITIES = [
    "initial weights", "activations", "cost", "gradients", "cost of each of 3 steps", "weights after 3 steps",
]  # fmt: skip


def next_to(array, at):
    array.flat[at] = np.nextafter(array.flat[at], array.dtype.type(np.inf))


def wrong_backend(spoil, random=numpy_backend.random):
    """The reference but for what ``spoil(executor, program, losses, out)`` does to its results."""

    class Wrong(numpy_backend.executor):
        def run(self, program, data, batch, steps=1, first=0, scalars=None, out=None, *more, **draw):
            losses = super().run(program, data, batch, steps, first, scalars, out, *more, **draw)
            spoil(self, program, losses, out)
            return losses

    return SimpleNamespace(executor=Wrong, random=random, __name__="wrong")


def differing(result):
    return {q.name: (q.differing, q.ulps) for q in result.quantities if not q.identical}


@pytest.mark.needs_jit
def test_the_backends_agree():
    result = compare(**SMALL, dtype="float64", timing=False)
    assert result.identical and differing(result) == {}
    assert result.backends == ("numpy", "numba")
    assert [q.name for q in result.quantities] == QUANTITIES
    assert [q.elements for q in result.quantities] == [83, 16 * 11, 1, 83, 3, 83]
    assert len(set(result.digests.values())) == 1
    assert "identical: yes, every bit" in str(result)


def test_the_reference_as_another_backend_agrees():
    """The control of the tests below: unspoiled, their backend passes."""
    assert compare(**SMALL, backends=("numpy", wrong_backend(lambda *a: None)), timing=False).identical


def spoil_outputs(executor, program, losses, out):
    if program == "predict":
        next_to(out, 5)


def spoil_cost(executor, program, losses, out):
    if program == "evaluate":
        next_to(losses, 0)


def spoil_gradients(executor, program, losses, out):
    if program == "gradients":
        next_to(executor.state.gradients, 7)


def spoil_weights(executor, program, losses, out):
    if program == "train":
        next_to(executor.state.parameters, 50)


def test_one_ulp_is_found_where_it_is():
    def found(spoil):
        result = compare(**SMALL, backends=("numpy", wrong_backend(spoil)), timing=False)
        assert not result.identical and "identical: NO" in str(result)
        return differing(result), {q.name: q.first for q in result.quantities}

    spoiled, first = found(spoil_outputs)
    assert spoiled == {"activations": (2, 1)}  # one a layer
    assert first["activations"].startswith("A1[0, 5]: ")
    spoiled, first = found(spoil_gradients)
    assert spoiled == {"gradients": (1, 1)}
    assert first["gradients"].startswith("dW1[1, 1]: ")
    spoiled, _ = found(spoil_cost)
    assert list(spoiled) == ["cost"] and spoiled["cost"][0] == 1
    spoiled, _ = found(spoil_weights)
    assert list(spoiled)[-1] == "weights after 3 steps" and "gradients" not in spoiled


def test_the_sign_of_a_zero_is_found():
    def negate(executor, program, losses, out):
        if program == "gradients":
            zero = np.flatnonzero(executor.state.gradients == 0)
            assert zero.size  # relu leaves some
            executor.state.gradients[zero[0]] *= -1

    result = compare(**SMALL, backends=("numpy", wrong_backend(negate)), timing=False)
    assert differing(result) == {"gradients": (1, 1)}


def test_other_initial_weights_are_found_and_do_not_spread():
    def shifted(name):
        def draw(seed, *rest, **settings):
            return getattr(numpy_backend.random, name)(seed + 1, *rest, **settings)

        return draw

    random = SimpleNamespace(**{name: shifted(name) for name in numpy_backend.random.__all__})
    result = compare(**SMALL, backends=("numpy", wrong_backend(lambda *a: None, random)), timing=False)
    assert list(differing(result)) == ["initial weights"]


def test_difference_of_arrays():
    one = np.ones(3, np.float32)
    assert difference("x", {"a": one}, {"a": one.copy()}).identical
    above = np.nextafter(one, np.float32(2))
    assert difference("x", {"a": one, "b": one}, {"a": one, "b": above}).ulps == 1
    zero, smallest = np.zeros(1), np.full(1, np.finfo(np.float64).smallest_subnormal)
    assert difference("x", {"a": -smallest}, {"a": smallest}).ulps == 3  # past -0.0 and +0.0
    assert difference("x", {"a": zero}, {"a": -zero}).ulps == 1
    nan = np.array([np.nan])
    assert difference("x", {"a": nan}, {"a": -nan}).identical
    apart = difference("x", {"a": nan}, {"a": zero})
    assert not apart.identical and apart.ulps is None
    for other in (one.astype(np.float64), one[:2], one[None]):
        found = difference("x", {"a": one}, {"a": other})
        assert not found.identical and found.ulps is None and "against" in found.first


def test_digest_is_that_of_the_weights_of_a_model():
    from fastnn.comparison.task import Task
    from fastnn.optimizers import Adam

    result = compare(**SMALL, backends=("numpy", wrong_backend(lambda *a: None)), timing=False, seed=5)
    task = Task((6, 8, 3), "float32", "relu", Adam(), 16, 3, 5)
    model = task.model(numpy_backend)
    model.fit(*task.data(), batch_size=16, shuffle=False, verbose=0)
    assert result.digests["numpy"] == hashlib.sha256(model.parameters.tobytes()).hexdigest()
    other = compare(**SMALL, backends=("numpy", wrong_backend(lambda *a: None)), timing=False, seed=6)
    assert other.digests["numpy"] != result.digests["numpy"]


@pytest.mark.needs_jit
def test_times_and_the_yardstick():
    result = compare(**SMALL, optimizer="sgd", threads=1)
    assert list(result.seconds) == ["numpy", "numba", TEXTBOOK]
    assert all(0 < seconds < 1 for seconds in result.seconds.values())
    assert result.textbook_deviation is not None and result.textbook_deviation < 1e-6
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["identical"] is True and plain["settings"]["sizes"] == [6, 8, 3]
    assert plain["quantities"][3] == {
        "name": "gradients", "elements": 83, "differing": 0, "ulps": 0, "first": "", "identical": True,
    }  # fmt: skip
    table = str(result)
    assert "6-8-3, relu and softmax, float32, batch 16, sgd, seed 0" in table and TEXTBOOK in table


def test_no_yardstick_for_what_the_textbook_lacks():
    same = wrong_backend(lambda *a: None)
    result = compare(**SMALL, activation="mish", backends=("numpy", same))
    assert TEXTBOOK not in result.seconds and "no activation 'mish'" in result.notes[0]
    result = compare(**SMALL, optimizer="rmsprop", backends=("numpy", same))
    assert TEXTBOOK not in result.seconds and "not rmsprop" in result.notes[0]
    one = compare((4, 1), batch=3, steps=1, activation="mish", backends=("numpy", same))
    assert TEXTBOOK in one.seconds and isinstance(one, Comparison)  # no hidden layer, so no mish


@pytest.mark.needs_jit
def test_threads_are_set_for_the_time_being():
    from fastnn.backends import get_backend

    get_backend("numba")
    import numba

    most, before = numba.config.NUMBA_NUM_THREADS, numba.get_num_threads()
    seen = []
    spy = wrong_backend(lambda *a: seen.append(numba.get_num_threads()))
    compare(**SMALL, threads=1, backends=("numpy", spy), timing=False)
    assert set(seen) == {1} and numba.get_num_threads() == before
    with pytest.raises(InvalidValueError, match=f"threads must be at most {most}"):
        compare(**SMALL, threads=most + 1, timing=False)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"sizes": (4,)}, InvalidValueError, "at least features and outputs"),
        ({"sizes": (4, 0)}, InvalidValueError, "sizes must be at least 1"),
        ({"sizes": 4}, InvalidValueError, "sizes must list"),
        ({"batch": 0}, InvalidValueError, "batch must be at least 1"),
        ({"steps": 0}, InvalidValueError, "steps must be at least 1"),
        ({"dtype": "float16"}, InvalidValueError, "float32 or float64"),
        ({"activation": "rellu"}, UnknownNameError, "did you mean 'relu'"),
        ({"optimizer": "adm"}, UnknownNameError, "did you mean 'adam"),
        ({"seed": -1}, InvalidValueError, "seed"),
        ({"backends": ("numpy", "nunba")}, UnknownNameError, "did you mean 'numba'"),
        ({"backends": ("numpy",)}, InvalidTypeError, "two names or modules"),
        ({"backends": ("numpy", numpy_backend)}, InvalidValueError, "with itself"),
        ({"threads": 0}, InvalidValueError, "threads must be at least 1"),
    ],
)
def test_bad_settings(settings, kind, message):
    backends = {"backends": ("numpy", wrong_backend(lambda *a: None))}
    with pytest.raises(kind, match=message):
        compare(**({**SMALL, **backends, "timing": False} | settings))


def test_duration():
    assert [duration(s) for s in (2.5, 0.0123, 1e-4, 3e-7)] == ["2.50 s", "12.3 ms", "100 us", "0.30 us"]
