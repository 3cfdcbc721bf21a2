"""Formulas run on whole vectors: the same bits as the same text compiled on scalars, wherever an array ends.

What cannot be run so is left to LLVM, with the same results.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from bits import assert_same_bits
from networks import awkward

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numba_backend import _cache, _jit, _ops, _pipeline, activation, elementwise
from fastnn.backends.numba_backend._vector_loops import INTERLEAVED, vector_loop, widest
from fastnn.backends.numba_backend.single_source import share
from fastnn.formulas import FORMULAS, exp
from fastnn.formulas.primitives import bits, float32_from_bits, float64_from_bits, like, sqrt, to_float64, where

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

WITH_TABLES = ("sin", "cos")


def compiled(make: Any, *arguments: Any) -> tuple[int, str]:
    """Return address and machine code of an op, compiled without the disk cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_cache, "CACHE_FOLDER", None)
        address = _ops.op(make, *arguments)
    return address, _pipeline.assembly(make(*arguments))


def make_in_place(dtype: Any, formula: Any) -> Any:
    """Run a formula of one argument and one constant over an array, in place."""
    run = vector_loop(dtype, formula, 1, 1, 1)
    assert run is not None

    def in_place(at, n, c, d, e):
        run((at, at), (dtype(c),), n)

    return in_place


def apply_in_place(address: int, x: Any, constant: int) -> Any:
    """Return what an op of ``make_in_place`` makes of an array; its neighbours must stay as they are."""
    held = np.full(len(x) + 2, 7, x.dtype)
    held[1:-1] = x
    inside = held[1:-1]
    call(address, inside.ctypes.data, len(x), constant)
    assert held[0] == held[-1] == 7, "written outside"
    return inside.copy()


@_jit.entry
def call(address, at, n, constant):
    elementwise.call(address, at, n, constant, 0, 0)


@DTYPES
@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_vectors_and_scalars_agree_in_bits(name, dtype, monkeypatch):
    formula = FORMULAS[name]
    arguments = [awkward(np.random.default_rng(n), (5000,), dtype) for n in range(formula.arity)]
    assert bool(widest(dtype, formula.function, formula.arity, 1)) == (name not in WITH_TABLES)
    on_vectors = numba_backend.apply_formula(name, *arguments)
    monkeypatch.setattr(elementwise, "vector_loop", lambda *_, **__: None)
    monkeypatch.setattr(elementwise, "op", lambda *make: compiled(*make)[0])
    on_scalars = numba_backend.apply_formula(name, *arguments)
    assert_same_bits(on_scalars, on_vectors, name)


@DTYPES
def test_wherever_an_array_ends(dtype):
    def formula(x: Any, c: Any) -> Any:
        return exp(x) * c

    address, _ = compiled(make_in_place, dtype, formula)
    x = awkward(np.random.default_rng(0), (200,), dtype)
    with np.errstate(all="ignore"):
        expected = formula(x, dtype(3))
    for n in (*range(70), 127, 128, 129, 200):
        assert_same_bits(expected[:n], apply_in_place(address, x[:n], 3), f"{n} elements")


def operations_f32(x: Any, c: Any) -> Any:
    i = bits(x)
    mixed = ((i ^ bits(c)) | (i << np.int32(3))) - ((i & np.int32(255)) + (~i >> np.int32(2))) * np.int32(5)
    wide = to_float64(sqrt(abs(x)) / c)
    odd = (mixed & np.int32(1)) == np.int32(1)
    either = ((x < c) | (x >= like(x, 0.5))) & ~odd ^ (x != x)
    return where(either, float32_from_bits(mixed), -wide.astype(np.float32) - c)


def operations_f64(x: Any, c: Any) -> Any:
    i = bits(x)
    mixed = ((i ^ bits(c)) | (i << np.int64(3))) - ((i & np.int64(255)) + (~i >> np.int64(2))) * np.int64(5)
    odd = (mixed & np.int64(1)) == np.int64(1)
    either = ((x <= c) | (x > like(x, 0.5))) & ~odd ^ (x != x)
    return where(either, float64_from_bits(mixed), -(sqrt(abs(x)) / c) - c)


@pytest.mark.parametrize("formula, dtype", [(operations_f32, np.float32), (operations_f64, np.float64)])
def test_every_operation_is_numpys(formula, dtype):
    address, _ = compiled(make_in_place, dtype, formula)
    x = awkward(np.random.default_rng(1), (3000,), dtype)
    with np.errstate(all="ignore"):
        expected = formula(x, dtype(3))
    assert len(np.unique(expected)) > 500
    assert_same_bits(expected, apply_in_place(address, x, 3), formula.__name__)


def branches(z: Any, alpha: Any) -> Any:
    return z if z > alpha else alpha


def untyped(z: Any) -> Any:
    return z * 0.1 + 1


def other_dtype(z: Any) -> Any:
    return where(z > np.float64(0), z, z)


def unknown(z: Any) -> Any:
    return np.floor(z)


def test_what_vectors_cannot_run():
    assert widest(np.float32, branches, 1, 1, 1) == 0
    assert widest(np.float64, untyped, 1, 1) == 0, "Numba's rules for it are not NumPy's"
    assert widest(np.float32, other_dtype, 1, 1) == 0
    assert widest(np.float32, unknown, 1, 1) == 0
    assert widest(np.float32, lambda z: (z, z), 1, 1) == 0, "two results for one place"
    assert widest(np.float32, lambda z: FORMULAS["exp"].function(z), 1, 1) == 4
    assert widest(np.float32, lambda z: FORMULAS["log"].function(z), 1, 1) == 8


def test_what_vectors_cannot_run_is_left_to_llvm():
    untyped_too = share(lambda z, a: z * 0.1 + a)
    mine = Activation("mine", untyped, untyped_too)
    Z, dA = (awkward(np.random.default_rng(n), (3, 130), np.float64) for n in range(2))
    with np.errstate(all="ignore"):
        A = numpy_backend.activation_forward(mine, Z)
        assert_same_bits(A, numba_backend.activation_forward(mine, Z), "forward")
        dZ = numpy_backend.activation_backward(mine, Z, A, dA)
    assert_same_bits(dZ, numba_backend.activation_backward(mine, Z, A, dA), "backward")


@DTYPES
def test_several_vectors_are_in_flight(dtype):
    _, text = compiled(activation.make_activation_forward, dtype, ACTIVATIONS["sigmoid"].forward, False)
    divisions = re.findall(r"^\t(?:v?div|fdiv)", text, re.MULTILINE)
    assert len(divisions) > INTERLEAVED, "one loop over several, one over what they leave"
