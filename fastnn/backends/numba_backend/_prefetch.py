"""Asking for cache lines before they are needed.

A weight that another core has read since it was last written lies in both cores' caches: the first write waits until
the other has given it up, some 100 ns, and only so many writes can wait at once.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from fastnn.backends.numba_backend._atomic import CACHE_LINE
from fastnn.backends.numba_backend._jit import cgutils, inner, intrinsic, types

I32 = ir.IntType(32)
FIRST_CACHE, SECOND_CACHE = 3, 2
"""How near a line shall come, in LLVM's words. The second is for many lines that share few sets of the first."""

_DATA = 1
"""Not code, in LLVM's words."""


def prefetch_line(builder: Any, address: Any, write: int, near: int = FIRST_CACHE) -> None:
    """Emit the instruction that asks for the cache line of an address; never faults."""
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, I32, I32, I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    numbers = [ir.Constant(I32, value) for value in (write, near, _DATA)]
    builder.call(function, [builder.inttoptr(address, pointer), *numbers])


@intrinsic(prefer_literal=True)
def fetch_line(typing: Any, address: Any, to_write: Any) -> Any:
    """Ask for the cache line of an address, with ``to_write`` (a literal 0 or 1) as its only owner; never faults."""
    write = to_write.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        prefetch_line(builder, arguments[0], write)
        return context.get_dummy_value()

    return types.void(types.int64, to_write), generate


@inner
def fetch_to_write(address, rows, between, length):
    """Ask for the lines of ``rows`` rows of ``length`` bytes, ``between`` bytes apart, to write them soon."""
    for m in range(rows):
        at = address + m * between
        for byte in range(0, length, CACHE_LINE):
            fetch_line(at + byte, 1)
