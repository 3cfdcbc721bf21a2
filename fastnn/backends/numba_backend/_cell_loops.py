"""A recurrent cell's formula over the rows of a step: every operand is as many rows as the layer has units.

As ``_vector_loops.py``, but what is computed on in turn are vectors of a row and of the rows below, so that there are
as many where blocks are a vector or two wide; a cell reads and writes more rows than LLVM would look through to find
that they do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from fastnn.backends.numba_backend._jit import cgutils, inner, intrinsic, types
from fastnn.backends.numba_backend._layout import BLOCK
from fastnn.backends.numba_backend._vector_loops import INTERLEAVED, Loops, widest
from fastnn.backends.numba_backend._vectors import I64, LLVM_TYPES
from fastnn.backends.numba_backend.single_source import share

ABSENT, ROWS, ONE_ROW = range(3)
"""How an operand is read or written: not at all, a row a unit, or one row for all units."""

Formula = Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]


def rows_if(present: bool) -> int:
    """Return how an operand is read or written that not all cells of a kind have."""
    return ROWS if present else ABSENT


class _Rows(Loops):
    """The loops over rows and lanes; arrays are pairs of an address and how it is read or written.

    A place is a pair too: bytes from the first row's start, and bytes from the row's.
    """

    def address(self, array: Any, index: Any) -> Any:
        """Return the address of a place of an array."""
        return self.builder.add(array[0], index[array[1] == ONE_ROW])

    def write_rows(self, rows: Any, lanes: Any) -> None:
        """Write the loops over ``rows`` rows of ``lanes`` elements, whole vectors."""
        b, size = self.builder, self.dtype.itemsize
        bytes_ = ir.Constant(I64, self.width * size)
        across = b.mul(lanes, ir.Constant(I64, size))
        total, start = b.udiv(b.mul(rows, across), bytes_), ir.Constant(I64, 0)
        row_at, column_at = (cgutils.alloca_once_value(b, start) for _ in range(2))
        for count in (INTERLEAVED, 1):
            step = ir.Constant(I64, count)
            stop = b.sub(total, b.urem(total, step))
            with cgutils.for_range_slice(b, start, stop, step):
                # invariant: row and column are those of the next vector
                row, column, places = b.load(row_at), b.load(column_at), []
                for _ in range(count):
                    places.append((b.add(row, column), column))
                    column = b.add(column, bytes_)
                    ends = b.icmp_unsigned(">=", column, across)
                    row = b.select(ends, b.add(row, ir.Constant(I64, BLOCK * size)), row)
                    column = b.select(ends, ir.Constant(I64, 0), column)
                b.store(row, row_at)
                b.store(column, column_at)
                self.formula_at(self.inputs, self.outputs, places)
            start = stop


def cell_loop(dtype: Any, formula: Formula, reads: tuple[int, ...], writes: tuple[int, ...], constants: int) -> Any:
    """Return ``run(addresses, constants, rows, lanes)`` for kernels: a formula over the rows of a step.

    Parameters
    ----------
    dtype : type
        ``np.float32`` or ``np.float64``: of all operands and constants.
    formula : callable
        ``formula(values, constants)``: straight-line, returns a value for each operand written. What is ``ABSENT`` is
        None among the values, and may be anything among the results.
    reads, writes : tuple of int
        How each operand is read and written; ``addresses`` are those of all, in this order, also the absent ones'.
        An operand written may be one that is read, but must not overlap with one in another way. Where two are
        written to one place, the later one stays.
    constants : int
        How many there are.
    """
    kept = [k for k, how in enumerate(reads) if how]
    written = [k for k, how in enumerate(writes) if how]

    def on_vectors(*arguments: Any) -> tuple[Any, ...]:
        found = dict(zip(kept, arguments, strict=False))
        results = formula(tuple(found.get(k) for k in range(len(reads))), arguments[len(kept) :])
        return tuple(results[k] for k in written)

    size = widest(dtype, on_vectors, len(kept), len(written), constants)
    if not size:
        return _scalar_loop(dtype, formula, reads, writes)

    @intrinsic
    def run(typing: Any, addresses: Any, scalars: Any, rows: Any, lanes: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places = cgutils.unpack_tuple(builder, arguments[0], len(reads) + len(writes))
            values = cgutils.unpack_tuple(builder, arguments[1], constants)
            inputs = [(places[k], reads[k]) for k in kept]
            outputs = [(places[len(reads) + k], writes[k]) for k in written]
            loops = _Rows(builder, np.dtype(dtype), size, on_vectors, inputs, outputs, values)
            loops.write_rows(arguments[2], arguments[3])
            return context.get_dummy_value()

        return types.void(addresses, scalars, rows, lanes), generate

    return run


def _scalar_loop(dtype: Any, formula: Formula, reads: tuple[int, ...], writes: tuple[int, ...]) -> Any:
    """Return what ``cell_loop`` does for a formula that cannot be run on vectors: a user's, with a table say."""
    size = dtype().itemsize
    cell = share(formula)

    @intrinsic
    def read(typing: Any, zero: Any, addresses: Any, place: Any, column: Any) -> Any:
        kinds = types.Tuple([zero if how else types.none for how in reads])

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places, kind = cgutils.unpack_tuple(builder, arguments[1]), LLVM_TYPES[np.dtype(dtype)].as_pointer()
            values = []
            for base, how in zip(places, reads, strict=False):
                if how:
                    at = builder.add(base, arguments[3 if how == ONE_ROW else 2])
                    values.append(builder.load(builder.inttoptr(at, kind)))
                else:
                    values.append(context.get_dummy_value())
            return context.make_tuple(builder, signature.return_type, values)

        return kinds(zero, addresses, place, column), generate

    @intrinsic
    def write(typing: Any, addresses: Any, place: Any, values: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            places = cgutils.unpack_tuple(builder, arguments[0])[len(reads) :]
            for base, value, how in zip(places, cgutils.unpack_tuple(builder, arguments[2]), writes, strict=True):
                if how:
                    at = builder.add(base, arguments[1])
                    builder.store(value, builder.inttoptr(at, LLVM_TYPES[np.dtype(dtype)].as_pointer()))
            return context.get_dummy_value()

        return types.void(addresses, place, values), generate

    @inner
    def run(addresses, constants, rows, lanes):
        zero = dtype(0)
        for u in range(rows):
            for j in range(lanes):
                place = (u * BLOCK + j) * size
                write(addresses, place, cell(read(zero, addresses, place, j * size), constants))

    return run
