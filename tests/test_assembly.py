"""What LLVM made of the kernels: no fused multiply-add anywhere, and vectors where they are meant to be.

Every op that a few networks need is compiled afresh (code out of the disk cache has no assembly) for the
CPU at hand; ``legs.py --full`` runs this file for other CPUs too.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from networks import Network, Stack, make_data, quantities

import fastnn
from fastnn import layers
from fastnn.backends import numba_backend
from fastnn.backends.numba_backend import (
    _cache,
    _jit,
    _pipeline,
    _processor,
    dense,
    network,
    orthogonal,
    random,
    walker,
)
from fastnn.backends.numba_backend._memory import view, wide_vectors
from fastnn.formulas import exp
from fastnn.optimizers import SGD, Adam

pytestmark = pytest.mark.needs_jit

FLOATS = (np.float32, np.float64)

FUSED = re.compile(r"\b(v?f[n]?m(add|sub)\w*|fml[as]\w*)\b")
"""x86: vfmadd231ps, vfnmadd, vfmsub, ...; AArch64: fmadd, fmsub, fnmadd, fmla, fmls."""

WINDOWS = Stack(
    lambda: [
        layers.Dense(12),
        layers.Reshape((3, 2, 2)),
        layers.MaxPooling2D(2, 1),
        layers.AveragePooling2D((2, 1), 1, "same"),
        layers.UpSampling2D(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(3),
    ],
    (5,),
)

MEASURED = Stack(
    lambda: [
        layers.Embedding(9, 17),
        layers.SpatialDropout1D(0.5),
        layers.BatchNormalization(),
        layers.LayerNormalization(),
        layers.PReLU(),
        layers.GaussianNoise(0.1),
        layers.Flatten(),
        layers.Dense(3),
    ],
    (5,),
)
USED = Stack(lambda: [layers.BatchNormalization(scale=False, center=False), layers.Dense(3)], (5,), training=False)
CONVOLUTIONS = Stack(
    lambda: [layers.Conv2D(4, 2), layers.Conv2DTranspose(3, 2), layers.Flatten(), layers.Dense(3)], (3, 3, 2)
)
RECURRENT = Stack(
    lambda: [
        layers.Masking(),
        layers.SimpleRNN(4, return_sequences=True),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True, recurrent_dropout=0.5), "mul"),
        layers.GRU(3),
    ],
    (3, 2),
)

RUNS = (
    (Network((5, 17, 3), ("gelu", "softmax"), "categorical_crossentropy", penalty=(0.1, 0.1)), Adam()),
    (Network((5, 17, 3), ("tanh", "sigmoid"), "binary_crossentropy", activity=(0.1, 0.1)), SGD(clipnorm=1.0)),
    (Network((5, 17, 3), ("elu", "softmax"), "mse"), SGD(momentum=0.9, clipvalue=1.0)),
    (WINDOWS, SGD()),
    (MEASURED, SGD()),
    (USED, SGD()),
    (CONVOLUTIONS, SGD()),
    (RECURRENT, SGD()),
)

X86 = os.uname().machine in ("x86_64", "AMD64")


@cache
def ops() -> dict[str, tuple[Any, ...]]:
    """Return the arguments of every op that the networks above need, in both dtypes, by a readable name."""
    executor = importlib.import_module("fastnn.backends.numba_backend.lowering")
    right, found = executor.op, {}

    def spy(make: Any, *arguments: Any) -> int:
        words = [getattr(a, "__name__", str(a)) for a in (make, *arguments)]
        found[" ".join(words)] = (make, *arguments)
        return right(make, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "op", spy)
        for dtype in FLOATS:
            for network, optimizer in RUNS:
                plan = network.plan()
                quantities(numba_backend, plan, dtype, make_data(plan, dtype, 3), 2, optimizer, 1)
    return found


@cache
def assembly(name: str) -> str:
    """Return the machine code of an op."""
    make, *arguments = ops()[name]
    return str(_pipeline.assembly(make(*arguments)))


def entries() -> dict[str, Any]:
    """Return the compiled functions that Python calls with arrays."""
    found = {}
    for module in (network, orthogonal, random):
        for name, value in vars(module).items():
            if isinstance(value, numba.core.dispatcher.Dispatcher) and value.signatures:
                found[name] = value
    return found


@cache
def jobs() -> dict[str, str]:
    """Return the machine code of the ops that Python calls."""
    static: dict[Any, list[tuple[Any, ...]]] = {
        walker.make_walk: [()],
        random.make_fill_permutation: [()],
        random.make_fill_uniform_f32: [()],
        random.make_fill_from_pairs: [(np.float64, random.float64_from_words)]
        + [(t, f) for t in FLOATS for f in (random.normal_from_words, random.truncated_normal_from_words)],
    }
    makers = {
        value
        for module in (random, walker)
        for name, value in vars(module).items()
        if name.startswith("make_") and value.__module__ == module.__name__
    }
    assert makers == set(static), "a maker of these modules is not looked at, or is no more"
    return {
        " ".join(getattr(a, "__name__", str(a)) for a in (make, *arguments)): str(_pipeline.assembly(make(*arguments)))
        for make, each in static.items()
        for arguments in each
    }


def test_no_op_holds_a_fused_instruction():
    kinds = {call[0].__name__ for call in ops().values()}
    assert {"make_dense_forward", "make_dense_backward_input", "make_updates", "make_gradients"} <= kinds
    assert len(ops()) > 40
    for name in ops():
        text = assembly(name)
        assert text.count("\n") > 20, f"{name}: no assembly"
        assert not FUSED.search(text), f"{name}: {FUSED.search(text)[0]}"


def test_no_entry_holds_a_fused_instruction(monkeypatch):
    random.bernoulli_mask(0, 0, 0, 0, 70, 0.5)
    random.orthogonal(0, 0, 0, 0, 5, 3)
    fastnn.forward_propagation(np.ones((2, 3)), fastnn.initialize_parameters(2, 4, 1))
    assert {"_fill_bernoulli", "_fill", "_run_once"} <= set(entries())
    monkeypatch.setattr(_cache, "CACHE_FOLDER", None)
    for name, dispatcher in entries().items():
        fresh = _jit.entry(dispatcher.py_func).compiled
        fresh.compile(dispatcher.signatures[0])
        (text,) = fresh.inspect_asm().values()
        assert text.count("\n") > 20, f"{name}: no assembly"
        assert not FUSED.search(text), f"{name}: {FUSED.search(text)[0]}"


def test_no_job_holds_a_fused_instruction():
    assert len(jobs()) > 5
    for name, text in jobs().items():
        assert text.count("\n") > 20, f"{name}: no assembly"
        assert not FUSED.search(text), f"{name}: {FUSED.search(text)[0]}"


def test_the_pattern_sees_fused_instructions():
    for text in (
        "vfmadd231ps %zmm0",
        "\tvfnmadd213sd",
        "vfmsub132ss",
        "fmadd d0, d1",
        "fmla v0.4s",
        "fmls v1.2d",
    ):
        assert FUSED.search(text), text
    for text in ("vmulps %zmm0", "vaddpd", "fmul v0.4s", "fadd d0", "myfmadd", "frintm"):
        assert not FUSED.search(text), text

    @numba.njit(fastmath=True)
    def fused(x, y):
        total = x[0]
        for i in range(x.shape[0]):
            total += x[i] * y[i]
        return total

    fused(np.ones(9), np.ones(9))
    (text,) = fused.inspect_asm().values()
    can = "fma" in _processor.features() or not X86
    assert bool(FUSED.search(text)) == can, "LLVM fuses where it is allowed to, and the pattern sees it"


@pytest.mark.parametrize("make", [dense.make_dense_forward, dense.make_dense_backward_input])
@pytest.mark.parametrize("dtype", FLOATS)
def test_products_use_whole_registers(make, dtype):
    (name,) = (n for n, call in ops().items() if call[0] is make and call[1] is dtype)
    letter = "s" if dtype == np.float32 else "d"
    if X86:
        register = {64: "zmm", 32: "ymm", 16: "xmm"}[_processor.VECTOR_BYTES]
        pattern = rf"\bv?mulp{letter}\b[^\n]*%{register}"
    else:
        pattern = r"\bfmul[^\n]*\.4s" if letter == "s" else r"\bfmul[^\n]*\.2d"
    tile = 4 * _processor.TILE_VECTORS
    assert len(re.findall(pattern, assembly(name))) >= tile, "the tile is not held in vector registers"


def test_activations_are_vectorised():
    name = next(n for n, call in ops().items() if n.startswith("make_activation_forward float32"))
    if X86:
        assert re.search(r"\bv?mulp[sd]\b", assembly(name))
    else:
        assert re.search(r"\bfmul[^\n]*\.(4s|2d)", assembly(name))


@pytest.mark.skipif(_processor.VECTOR_BYTES != 64, reason="wide_vectors changes nothing where registers are narrower")
def test_loops_of_formulas_use_whole_registers():
    def make():
        def loop(at, n, c, d, e):
            wide_vectors()
            a = view(np.float32(0), at, n)
            for j in range(n):
                a[j] = exp(a[j])

        return loop

    assert "%zmm" in _pipeline.assembly(make()) and "%ymm" not in _pipeline.assembly(make())


OUTSIDE = """
import numpy as np
from fastnn.backends.numba_backend._ops import call_op
from fastnn.backends.numba_backend._memory import view

def make():
    def outside(at, n, c, d, e):
        view(np.float32(0), at, n)[n] = np.float32(1)
    return outside

call_op(make)(np.zeros(9, np.float32).ctypes.data, 4, 0, 0, 0)
"""


@pytest.mark.parametrize("checked", ["0", "1"])
def test_an_index_outside_ends_the_process_where_bounds_are_checked(checked):
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": checked}
    done = subprocess.run([sys.executable, "-c", OUTSIDE], env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) == (checked == "0"), done.stderr
