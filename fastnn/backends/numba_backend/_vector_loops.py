"""Loops that run a formula on several vectors in turn.

LLVM's own loops work on one vector at a time: a chain of some thirty operations, each waiting for the one before,
and the processor looks no further ahead than the next chain or two. Here each operation of a formula is written for
several vectors (``_vectors.py``), so that there is always another chain to go on with: the same bits in less time.

Formulas that are not straight-line, that have tables or constants without a type, are left to LLVM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from fastnn.backends.numba_backend._jit import cgutils, intrinsic, types
from fastnn.backends.numba_backend._prefetch import prefetch_line
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES
from fastnn.backends.numba_backend._vectors import I64, LLVM_TYPES, Vectors

INTERLEAVED = TILE_VECTORS + TILE_VECTORS // 2
"""Vectors computed on in turn: 6 where there are 32 registers, 3 where there are 16, so that the processor always finds
an operation that waits for none. (One core of an AVX-512 Xeon, 1, 4, 6 and 8 vectors: tanh in float32 0.61, 0.54, 0.51
and 0.49 ns an element, sigmoid in float64 1.15, 1.00, 0.96 and 1.07; of its AVX2, 2, 3 and 4 vectors: sigmoid in
float64 2.5, 2.35 and 2.4.)"""


def _flat(x: Any) -> list[Vectors]:
    """Return the values of nested tuples, in order."""
    return [value for part in x for value in _flat(part)] if isinstance(x, tuple) else [x]


def widest(dtype: Any, formula: Callable[..., Any], inputs: int, outputs: int, constants: int = 0) -> int:
    """Return the bytes of the widest element that a formula computes with, 0 if it cannot be run on vectors.

    It is written once, for nothing.
    """
    dtype = np.dtype(dtype)
    element = LLVM_TYPES[dtype]
    function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), [I64] * (inputs + outputs)), "trial")
    builder = ir.IRBuilder(function.append_basic_block())
    loops = Loops(builder, dtype, dtype.itemsize, formula, list(function.args[:inputs]),
                   list(function.args[inputs:]), [ir.Constant(element, 0.0)] * constants)  # fmt: skip
    try:
        loops.vectors(loops.inputs, loops.outputs, ir.Constant(I64, 0), 1)
    except Exception:  # whatever a user's function raises when it gets no numbers
        return 0
    kinds = {i.type.element for i in builder.block.instructions if isinstance(i.type, ir.VectorType)}
    return max(size.itemsize for size, kind in LLVM_TYPES.items() if kind in kinds)


_READ, _WRITE = 0, 1


class Loops:
    """The loops over the elements, written into one function."""

    def __init__(self, builder: Any, dtype: np.dtype[Any], widest: int, formula: Callable[..., Any], inputs: list[Any],
                 outputs: list[Any], constants: list[Any], ahead: int = 0) -> None:  # fmt: skip
        self.builder, self.dtype, self.formula, self.ahead = builder, dtype, formula, ahead
        self.inputs, self.outputs, self.constants = inputs, outputs, constants
        self.width = VECTOR_BYTES // widest
        self.element, self.vector = LLVM_TYPES[dtype], ir.VectorType(LLVM_TYPES[dtype], self.width)

    def address(self, array: Any, index: Any) -> Any:
        """Return the address of element ``index`` of the array at an address."""
        return self.builder.add(array, self.builder.mul(index, ir.Constant(I64, self.dtype.itemsize)))

    def pointer(self, array: Any, index: Any, kind: Any) -> Any:
        """Return a pointer to element ``index`` of the array at an address."""
        return self.builder.inttoptr(self.address(array, index), kind.as_pointer())

    def vectors(self, inputs: list[Any], outputs: list[Any], index: Any, count: int) -> None:
        """Write the formula for ``count`` vectors from an index on."""
        places = [self.builder.add(index, ir.Constant(I64, k * self.width)) for k in range(count)]
        self.formula_at(inputs, outputs, places)

    def formula_at(self, inputs: list[Any], outputs: list[Any], places: list[Any]) -> None:
        """Write the formula for the vectors at some places: all are read before any is written."""
        b, size, count = self.builder, self.dtype.itemsize, len(places)
        read = [[b.load(self.pointer(a, i, self.vector), align=size) for i in places] for a in inputs]
        if self.ahead and count > 1:
            for address, kind in [(a, _READ) for a in inputs] + [(a, _WRITE) for a in outputs]:
                for i in places:
                    prefetch_line(b, b.add(self.address(address, i), ir.Constant(I64, self.ahead)), kind)
        splats = [[_splat(b, c, self.width)] * count for c in self.constants]
        arguments = [Vectors(b, self.dtype, parts) for parts in (*read, *splats)]
        results = [arguments[0].parts_of(result, self.dtype) for result in _flat(self.formula(*arguments))]
        for parts, address in zip(results, outputs, strict=True):
            for i, value in zip(places, parts, strict=True):
                b.store(value, self.pointer(address, i, self.vector), align=size)

    def write(self, n: Any) -> None:
        """Write the loops over ``n`` elements: several vectors at a time, single ones, what is left of one."""
        b, start = self.builder, ir.Constant(I64, 0)
        for count in (INTERLEAVED, 1):
            step = ir.Constant(I64, count * self.width)
            stop = b.sub(n, b.urem(n, step))
            with cgutils.for_range_slice(b, start, stop, step) as (index, _):
                self.vectors(self.inputs, self.outputs, index, count)
            start = stop
        with b.if_then(b.icmp_signed("<", start, n), likely=False):
            self.rest(start, b.sub(n, start))

    def rest(self, start: Any, n: Any) -> None:
        """Write the way of less than a vector: through whole ones in memory."""
        b, zero = self.builder, ir.Constant(I64, 0)
        buffers = [cgutils.alloca_once_value(b, ir.Constant(self.vector, None)) for _ in (*self.inputs, *self.outputs)]
        addresses = [b.ptrtoint(buffer, I64) for buffer in buffers]
        inside, outside = addresses[: len(self.inputs)], addresses[len(self.inputs) :]
        for source, target in zip(self.inputs, inside, strict=True):
            self.move(source, start, target, zero, n)
        self.vectors(inside, outside, zero, 1)
        for source, target in zip(outside, self.outputs, strict=True):
            self.move(source, zero, target, start, n)

    def move(self, source: Any, first: Any, target: Any, at: Any, n: Any) -> None:
        """Write a loop that copies ``n`` elements."""
        b = self.builder
        with cgutils.for_range(b, n) as loop:
            value = b.load(self.pointer(source, b.add(first, loop.index), self.element))
            b.store(value, self.pointer(target, b.add(at, loop.index), self.element))


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    """Write a vector that holds a scalar in each lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))


def vector_loop(dtype: Any, formula: Callable[..., Any], inputs: int, outputs: int, constants: int = 0,
                ahead: int = 0) -> Any:  # fmt: skip
    """Return ``run(addresses, constants, n)`` for kernels, ``formula`` over ``n`` elements; None where it cannot be.

    Parameters
    ----------
    dtype : type
        ``np.float32`` or ``np.float64``: of all arrays and constants.
    formula : callable
        ``formula(*elements, *constants)``: straight-line, returns ``outputs`` values, in nested tuples or not.
    inputs, outputs, constants : int
        ``addresses`` are those of the arrays read, then of those written, a tuple, as ``constants`` is. An array
        written may be one that is read, but must not overlap with one in another way.
    ahead : int
        Bytes, in every array, between where it is read or written and what is asked for from memory; 0: nothing is.
    """
    size = widest(dtype, formula, inputs, outputs, constants)
    if not size:
        return None

    @intrinsic
    def run(typing: Any, addresses: Any, scalars: Any, n: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places = cgutils.unpack_tuple(builder, arguments[0], inputs + outputs)
            values = cgutils.unpack_tuple(builder, arguments[1], constants)
            loops = Loops(builder, np.dtype(dtype), size, formula, places[:inputs], places[inputs:], values,
                           ahead)  # fmt: skip
            loops.write(arguments[2])
            return context.get_dummy_value()

        return types.void(addresses, scalars, n), generate

    return run
