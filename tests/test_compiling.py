"""How ops are compiled: code that is written instead of Numba's, and LLVM's half on a second thread."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytestmark = pytest.mark.needs_jit

ops = pytest.importorskip("fastnn.backends.numba_backend._ops")
from fastnn.backends.numba_backend import _linking  # noqa: E402
from fastnn.backends.numba_backend._memory import table, view  # noqa: E402

NUMBERS = np.array([7, -7, 0, 1, -1, 64, -64, 2**62, -(2**62), 13])


def run(make, values, count):
    """Run an op on int64 values; return what it writes behind them."""
    memory = np.concatenate([np.asarray(values, np.int64), np.full(count, -99)])
    ops.call_op(make)(memory.ctypes.data, len(values), count, 0, 0)
    return memory[len(values) :].tolist()


def make_divisions():
    def divisions(at, n, count, unused1, unused2):
        x, out = view(0, at, n), view(0, at + 8 * n, count)
        for i in range(n):
            out[6 * i] = x[i] // 64
            out[6 * i + 1] = x[i] % 64
            out[6 * i + 2] = x[i] // 7
            out[6 * i + 3] = x[i] % 7
            out[6 * i + 4] = np.int64(np.uint64(x[i]) // np.uint64(3))
            out[6 * i + 5] = np.int64(np.uint64(x[i]) % np.uint64(3))

    return divisions


def test_divisions_by_constants_round_down():
    found = run(make_divisions, NUMBERS, 6 * len(NUMBERS))
    for i, x in enumerate(NUMBERS.tolist()):
        whole = x % 2**64
        assert found[6 * i : 6 * i + 6] == [x // 64, x % 64, x // 7, x % 7, whole // 3, whole % 3]


def make_indices():
    def indices(at, n, count, unused1, unused2):
        x, out = view(0, at, n), view(0, at + 8 * n, count)
        square = table(0, at, 2, n // 2)
        out[0], out[1], out[2] = x[-1], x[n - 1], x[np.uint64(2)]
        out[3], out[4], out[5] = square[1, 0], square[-1, -2], square[np.uint64(0), n // 2 - 1]
        row = square[1]
        out[6], out[7], out[8] = row[2], row.shape[0], square.shape[0]
        square[-1, 1] = 5.0  # a float becomes an integer
        row[np.uint64(0)] = True
        out[9], out[10], out[-1] = square[1, 1], x[n // 2], 3

    return indices


def test_indices_count_from_either_end():
    x = list(range(10, 20))
    assert run(make_indices, x, 12) == [19, 19, 12, 15, 18, 14, 17, 5, 2, 5, 1, 3]


def make_ranges():
    def ranges(at, n, count, unused1, unused2):
        x, out = view(0, at, n), view(0, at + 8 * n, count)
        a, b, c = x[0], x[1], x[2]
        t = 0
        for i in range(b):
            t += 1 + i
        out[0] = t
        t = 0
        for i in range(a, b):
            t = t * 3 + i
        out[1] = t
        t = 0
        for i in range(a, b, 3):
            t = t * 3 + i
        out[2] = t
        t = 0
        for i in range(b, a, -2):
            t = t * 3 + i
        out[3] = t
        t = 0
        for i in range(a, b, c):
            for j in range(i, np.int64(4)):
                if j == 2:
                    continue
                t = t * 5 + j
            if i > 6:
                break
        out[4] = t
        t = 0
        for i in range(np.uint64(3)):
            t += np.int64(i)
        out[5] = t
        out[6], out[7], out[8] = min(a, b), max(a, b), max(0, min(c, 1))

    return ranges


@pytest.mark.parametrize("values", [(0, 10, 1), (-5, 8, 2), (4, 4, 1), (9, 2, 3), (2, 11, 4), (5, -3, -2), (1, 2, 5)])
def test_ranges_run_as_in_python(values):
    code = make_ranges()
    expected = np.full(12, -99)
    plain = {"view": lambda zero, at, n: np.array(values) if at == 0 else expected}
    type(code)(code.__code__, {**code.__globals__, **plain})(0, 3, 9, 0, 0)
    assert run(make_ranges, values, 9) == expected[:9].tolist()


def make_first():
    def first(at, n, count, unused1, unused2):
        view(0, at + 8 * n, count)[0] = 1

    return first


def make_second():
    def second(at, n, count, unused1, unused2):
        view(0, at + 8 * n, count)[0] = 2

    return second


def make_third():
    def third(at, n, count, unused1, unused2):
        view(0, at + 8 * n, count)[0] = 3

    return third


MAKERS = (make_first, make_second, make_third)


@pytest.fixture
def nothing_compiled(monkeypatch):
    monkeypatch.setattr(ops, "_ADDRESSES", {})
    monkeypatch.setattr(ops, "_CALLS", {})
    monkeypatch.setattr(ops, "_cores", lambda: 2)
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "fastnn-llvm"]


def test_ops_compiled_together(nothing_compiled):
    asked = []

    def ask():
        asked.append([ops.op(make) for make in MAKERS])
        return asked[-1]

    addresses = ops.together(ask)
    assert asked == [[0, 0, 0], addresses] and len(set(addresses)) == 3
    assert [run(make, (), 1) for make in MAKERS] == [[1], [2], [3]]
    assert ops.together(ask) == addresses and len(asked) == 3


def test_ops_compiled_where_no_thread_can_be_started(nothing_compiled, monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_linking._Second, "start", start)
    ops.compile_all([(make,) for make in MAKERS])
    assert [run(make, (), 1) for make in MAKERS] == [[1], [2], [3]]


@pytest.mark.parametrize("cores", [1, 2])
def test_what_goes_wrong_in_llvm_is_raised(nothing_compiled, monkeypatch, cores):
    object_code = _linking.Linker.object_code

    def failing(self, text, bitcode):
        if "second" in text:
            raise RuntimeError("LLVM gave up")
        return object_code(self, text, bitcode)

    monkeypatch.setattr(ops, "_cores", lambda: cores)
    monkeypatch.setattr(_linking.Linker, "object_code", failing)
    with pytest.raises(RuntimeError, match="LLVM gave up"):
        ops.compile_all([(make,) for make in MAKERS])
    assert (make_second,) not in ops._ADDRESSES
    monkeypatch.setattr(_linking.Linker, "object_code", object_code)
    assert [run(make, (), 1) for make in MAKERS] == [[1], [2], [3]]


def test_an_interrupt_ends_the_thread(nothing_compiled, monkeypatch):
    pipeline = ops.compiling_module()
    machine_code = pipeline.machine_code

    def interrupted(function, symbol):
        if function.__name__ == "third":
            raise KeyboardInterrupt
        return machine_code(function, symbol)

    monkeypatch.setattr(pipeline, "machine_code", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ops.compile_all([(make,) for make in MAKERS])
    monkeypatch.setattr(pipeline, "machine_code", machine_code)
    assert (make_third,) not in ops._ADDRESSES
    assert [run(make, (), 1) for make in MAKERS] == [[1], [2], [3]]
