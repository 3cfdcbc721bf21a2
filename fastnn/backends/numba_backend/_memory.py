"""Addresses and views: how kernels reach the flat buffers, and how the walker calls an op by its address.

Kernels take integer addresses rather than arrays, so one compiled walker serves every op and every network.
``zero`` is a scalar whose type says the dtype. Loops run from 0 over a view: ``a[offset + t]`` with a signed offset
does not vectorise (Numba must allow for negative indices): 8192 sigmoids in 36 us against 3.3.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from fastnn.backends.numba_backend._jit import Lazy, intrinsic, types
from fastnn.backends.numba_backend._processor import VECTOR_BYTES

I64 = ir.IntType(64)

concise: Any = Lazy("fastnn.backends.numba_backend._concise")


@intrinsic
def _pointer(typing: Any, zero: Any, address: Any) -> Any:
    """Turn an integer address into a pointer to the type of ``zero``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[1], context.get_value_type(signature.return_type))

    return types.CPointer(zero)(zero, types.int64), generate


@intrinsic
def view(typing: Any, zero: Any, address: Any, n: Any) -> Any:
    """Return ``n`` elements of the type of ``zero`` at ``address`` as an array."""
    array = types.Array(zero, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return concise.array_of(context, builder, array, arguments[1], [arguments[2]], [None], arguments[2])

    return array(zero, types.int64, types.int64), generate


@intrinsic(prefer_literal=True)
def elements(typing: Any, zero: Any, address: Any, n: Any) -> Any:
    """Return ``n`` elements of the type of ``zero`` at ``address`` as a tuple; ``n`` is a literal."""
    made = types.UniTuple(zero, n.literal_value)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = builder.inttoptr(arguments[1], context.get_data_type(zero).as_pointer())
        parts = [builder.load(builder.gep(first, [ir.Constant(I64, i)])) for i in range(n.literal_value)]
        return context.make_tuple(builder, made, parts)

    return made(zero, types.int64, n), generate


@intrinsic
def table(typing: Any, zero: Any, address: Any, rows: Any, columns: Any) -> Any:
    """Return ``rows`` x ``columns`` elements of the type of ``zero`` at ``address`` as an array."""
    array = types.Array(zero, 2, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size = ir.Constant(I64, context.get_abi_sizeof(context.get_data_type(zero)))
        strides = [builder.mul(arguments[3], size), None]
        items = builder.mul(arguments[2], arguments[3])
        return concise.array_of(context, builder, array, arguments[1], arguments[2:], strides, items)

    return array(zero, types.int64, types.int64, types.int64), generate


@intrinsic
def call(typing: Any, op: Any, context_: Any, record: Any, p: Any, q: Any, scratch: Any) -> Any:
    """Call the op at an address with the five integers of ``OP_SIGNATURE``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = ir.FunctionType(ir.VoidType(), [I64] * 5)
        builder.call(builder.inttoptr(arguments[0], function.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


@intrinsic
def float_from_int_bits(typing: Any, bits: Any) -> Any:
    """Return the float64 whose raw bits an int64 holds (how records carry constants)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def wide_vectors(typing: Any) -> Any:
    """Let LLVM use whole registers in the function that calls this; without, it stops at half of AVX-512's.

    The wide units slowed the whole core down once; here exp in float64 takes 0.97 ns an element against 1.37, sigmoid
    in float32 0.52 against 0.67.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if VECTOR_BYTES == 64:
            # llvmlite's own ``add`` knows only attributes without a value.
            set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


__all__ = ["I64", "call", "elements", "float_from_int_bits", "table", "view", "wide_vectors"]
