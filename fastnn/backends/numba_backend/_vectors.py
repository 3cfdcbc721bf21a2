"""Formulas on whole vectors: their text runs once more, on stand-ins for registers, and writes down instructions.

A loop over scalars leaves the vectors to LLVM, which works on one at a time: a chain of some thirty operations, each
waiting for the one before, and the processor looks no further ahead than the next chain or two. Here each operation
of a formula is written for several vectors in turn, so that there is always another chain to go on with. The text is
the formula's own, the operations and their order per element are the same, and so are the bits.

Only straight-line formulas of typed constants can be run so; others, such as those with tables, are left to LLVM.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.lib.mixins import NDArrayOperatorsMixin

from fastnn.backends.numba_backend._jit import TILE_VECTORS, VECTOR_BYTES

INTERLEAVED = TILE_VECTORS
"""Vectors computed on in turn: 4 where there are 32 registers, 2 where there are 16. (One core of an AVX-512 Xeon, 1, 2
and 4 vectors: sigmoid in float64 1.23, 1.10 and 1.05 ns an element, erf 3.2, 3.0 and 2.3.)"""

I64 = ir.IntType(64)

_LLVM: dict[np.dtype[Any], Any] = {
    np.dtype(np.float32): ir.FloatType(),
    np.dtype(np.float64): ir.DoubleType(),
    np.dtype(np.int32): ir.IntType(32),
    np.dtype(np.int64): I64,
    np.dtype(np.bool_): ir.IntType(1),
}
_FLOATS: dict[Any, str] = {
    np.add: "fadd",
    np.subtract: "fsub",
    np.multiply: "fmul",
    np.true_divide: "fdiv",
    np.negative: "fneg",
}
_INTEGERS: dict[Any, str] = {
    np.add: "add",
    np.subtract: "sub",
    np.multiply: "mul",
    np.left_shift: "shl",
    np.right_shift: "ashr",
}
_BITWISE: dict[Any, str] = {np.bitwise_and: "and_", np.bitwise_or: "or_", np.bitwise_xor: "xor"}
_COMPARISONS: dict[Any, str] = {np.less: "<", np.less_equal: "<=", np.greater: ">", np.greater_equal: ">=",
                                np.equal: "==", np.not_equal: "!="}  # fmt: skip
_FUNCTIONS: dict[Any, str] = {np.sqrt: "sqrt", np.absolute: "fabs"}


class Vectors(NDArrayOperatorsMixin):
    """What a formula takes for an array: several registers' worth of elements.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
        Where instructions are written.
    dtype : numpy dtype
        Of an element; bool for what a comparison gives.
    parts : sequence of LLVM values
        The vectors, of one type.
    """

    def __init__(self, builder: Any, dtype: Any, parts: Sequence[Any]) -> None:
        self.builder, self.dtype, self.parts = builder, np.dtype(dtype), list(parts)

    def _each(self, dtype: Any, write: Callable[..., Any], *operands: Any) -> Vectors:
        """Return what ``write`` gives for each vector of the operands in turn."""
        return Vectors(self.builder, dtype, [write(*values) for values in zip(*operands, strict=True)])

    def parts_of(self, x: Any, dtype: np.dtype[Any]) -> list[Any]:
        """Return the vectors of an operand, which may be a constant of the same dtype."""
        if isinstance(x, Vectors) and x.dtype == dtype:
            return x.parts
        if not isinstance(x, np.generic) or x.dtype != dtype:
            raise TypeError(f"a formula on {dtype} takes typed constants and values of that dtype, not {x!r}")
        lanes = self.parts[0].type.count
        vector = ir.Constant(ir.VectorType(_LLVM[dtype], lanes), [x.item()] * lanes)
        return [vector] * len(self.parts)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        builder, dtype = self.builder, next(x.dtype for x in inputs if isinstance(x, Vectors))
        operands, kind = [self.parts_of(x, dtype) for x in inputs], dtype.kind
        if ufunc in _COMPARISONS and kind in "fi":
            how = {"i": "icmp_signed", "f": "fcmp_unordered" if ufunc is np.not_equal else "fcmp_ordered"}[kind]
            return self._each(np.bool_, functools.partial(getattr(builder, how), _COMPARISONS[ufunc]), *operands)
        if ufunc in _FUNCTIONS and kind == "f":
            return self._each(dtype, functools.partial(_call, builder, dtype, _FUNCTIONS[ufunc]), *operands)
        if ufunc is np.invert and kind in "ib":
            return self._each(dtype, builder.not_, *operands)
        table = {"f": _FLOATS, "i": _INTEGERS | _BITWISE, "b": _BITWISE}[kind]
        if ufunc not in table:
            return NotImplemented
        return self._each(dtype, getattr(builder, table[ufunc]), *operands)

    def __array_function__(self, function: Any, kinds: Any, arguments: Any, options: Any) -> Any:
        if function is not np.where or options or len(arguments) != 3:
            return NotImplemented
        condition, *values = arguments
        parts = [self.parts_of(x, values[0].dtype) for x in values]
        return self._each(values[0].dtype, self.builder.select, self.parts_of(condition, np.dtype(np.bool_)), *parts)

    def __getitem__(self, index: tuple[()]) -> Vectors:
        if index != ():
            raise TypeError("vectors have no elements that a formula could take")
        return self

    def __bool__(self) -> bool:
        raise TypeError("a formula is straight-line: it cannot branch on an element")

    def view(self, dtype: Any) -> Vectors:
        """Return the same bits as another dtype of the same width."""
        kind = self._kind(dtype)
        return self._each(dtype, lambda x: self.builder.bitcast(x, kind), self.parts)

    def astype(self, dtype: Any) -> Vectors:
        """Return the elements rounded, widened or cut to another dtype of the same kind."""
        to, builder = np.dtype(dtype), self.builder
        if to == self.dtype:
            return self
        if to.kind != self.dtype.kind or to.kind not in "fi":
            raise TypeError(f"no conversion from {self.dtype} to {to}")
        wider, narrower = (builder.fpext, builder.fptrunc) if to.kind == "f" else (builder.sext, builder.trunc)
        change, kind = wider if to.itemsize > self.dtype.itemsize else narrower, self._kind(to)
        return self._each(to, lambda x: change(x, kind), self.parts)

    def _kind(self, dtype: Any) -> Any:
        return ir.VectorType(_LLVM[np.dtype(dtype)], self.parts[0].type.count)


def _call(builder: Any, dtype: np.dtype[Any], name: str, x: Any) -> Any:
    """Write the call of a function that every processor has as an instruction."""
    full = f"llvm.{name}.v{x.type.count}f{8 * dtype.itemsize}"
    return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(x.type, [x.type]), full), [x])


def _flat(x: Any) -> list[Vectors]:
    """Return the values of nested tuples, in order."""
    return [value for part in x for value in _flat(part)] if isinstance(x, tuple) else [x]


def widest(dtype: Any, formula: Callable[..., Any], inputs: int, outputs: int, constants: int = 0) -> int:
    """Return the bytes of the widest element that a formula computes with, 0 if it cannot be run on vectors.

    It is written once, for nothing.
    """
    dtype = np.dtype(dtype)
    element = _LLVM[dtype]
    function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), [I64] * (inputs + outputs)), "trial")
    builder = ir.IRBuilder(function.append_basic_block())
    loops = _Loops(builder, dtype, dtype.itemsize, formula, list(function.args[:inputs]),
                   list(function.args[inputs:]), [ir.Constant(element, 0.0)] * constants)  # fmt: skip
    try:
        loops.vectors(loops.inputs, loops.outputs, ir.Constant(I64, 0), 1)
    except Exception:  # whatever a user's function raises when it gets no numbers
        return 0
    kinds = {i.type.element for i in builder.block.instructions if isinstance(i.type, ir.VectorType)}
    return max(size.itemsize for size, kind in _LLVM.items() if kind in kinds)


class _Loops:
    """The loops over the elements, written into one function."""

    def __init__(self, builder: Any, dtype: np.dtype[Any], widest: int, formula: Callable[..., Any], inputs: list[Any],
                 outputs: list[Any], constants: list[Any]) -> None:  # fmt: skip
        self.builder, self.dtype, self.formula = builder, dtype, formula
        self.inputs, self.outputs, self.constants = inputs, outputs, constants
        self.width = VECTOR_BYTES // widest
        self.element, self.vector = _LLVM[dtype], ir.VectorType(_LLVM[dtype], self.width)

    def pointer(self, address: Any, index: Any, kind: Any) -> Any:
        """Return a pointer to element ``index`` of the array at an address."""
        b = self.builder
        at = b.add(address, b.mul(index, ir.Constant(I64, self.dtype.itemsize)))
        return b.inttoptr(at, kind.as_pointer())

    def vectors(self, inputs: list[Any], outputs: list[Any], index: Any, count: int) -> None:
        """Write the formula for ``count`` vectors from an index on: all are read before any is written."""
        b, size = self.builder, self.dtype.itemsize
        places = [b.add(index, ir.Constant(I64, k * self.width)) for k in range(count)]
        read = [[b.load(self.pointer(a, i, self.vector), align=size) for i in places] for a in inputs]
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


def vector_loop(dtype: Any, formula: Callable[..., Any], inputs: int, outputs: int, constants: int = 0) -> Any:
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
    """
    size = widest(dtype, formula, inputs, outputs, constants)
    if not size:
        return None

    @intrinsic
    def run(typing: Any, addresses: Any, scalars: Any, n: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places = cgutils.unpack_tuple(builder, arguments[0], inputs + outputs)
            values = cgutils.unpack_tuple(builder, arguments[1], constants)
            loops = _Loops(builder, np.dtype(dtype), size, formula, places[:inputs], places[inputs:], values)
            loops.write(arguments[2])
            return context.get_dummy_value()

        return types.void(addresses, scalars, n), generate

    return run
