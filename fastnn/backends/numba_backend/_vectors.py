"""A stand-in for arrays on which a formula's text writes LLVM's instructions for whole vectors.

Where NumPy would compute, ``Vectors`` writes the operation for each of its vectors in turn; the operations of an
element and their order are the text's, and so are its bits. Constants must be typed, as everywhere in formulas;
anything else than straight-line arithmetic raises TypeError.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.lib.mixins import NDArrayOperatorsMixin

from fastnn.backends.numba_backend._jit import cgutils

I64 = ir.IntType(64)

LLVM_TYPES: dict[np.dtype[Any], Any] = {
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
        vector = ir.Constant(ir.VectorType(LLVM_TYPES[dtype], lanes), [x.item()] * lanes)
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
        if np.dtype(dtype).itemsize != self.dtype.itemsize:
            raise TypeError(f"no view of {self.dtype} as {np.dtype(dtype)}")
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
        return ir.VectorType(LLVM_TYPES[np.dtype(dtype)], self.parts[0].type.count)


def _call(builder: Any, dtype: np.dtype[Any], name: str, x: Any) -> Any:
    """Write the call of a function that every processor has as an instruction."""
    full = f"llvm.{name}.v{x.type.count}f{8 * dtype.itemsize}"
    return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(x.type, [x.type]), full), [x])
