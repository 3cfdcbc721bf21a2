"""Atomic operations on int64 words in memory, and giving way to another thread: what the team of workers shares.

All but ``publish`` are sequentially consistent: whoever sees a word sees everything written before it.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir

from fastnn.backends.numba_backend._jit import cgutils, inner, intrinsic, types
from fastnn.backends.numba_backend._memory import I64

_ORDER = "seq_cst"

CACHE_LINE = 64
"""Bytes: words that several threads write lie so far apart."""

SPINS = 2000
"""Looks at a word before giving way: a few microseconds."""


def _word(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, I64.as_pointer())


@intrinsic
def atomic_load(typing: Any, address: Any) -> Any:
    """Return the word at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_word(builder, arguments[0]), _ORDER, 8)

    return types.int64(types.int64), generate


@intrinsic
def atomic_store(typing: Any, address: Any, value: Any) -> Any:
    """Write the word at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _word(builder, arguments[0]), _ORDER, 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def publish(typing: Any, address: Any, value: Any) -> Any:
    """Write the word at an address: whoever sees it sees everything written before. Nothing waits for it to be seen.

    ``atomic_store`` waits until all that was written before has left the core.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _word(builder, arguments[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def atomic_add(typing: Any, address: Any, value: Any) -> Any:
    """Add to the word at an address and return what it was before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _word(builder, arguments[0]), arguments[1], _ORDER)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def atomic_replace(typing: Any, address: Any, expected: Any, value: Any) -> Any:
    """Write ``value`` where the word still is ``expected``; return whether it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, expected, value = arguments
        pair = builder.cmpxchg(_word(builder, address), expected, value, _ORDER, _ORDER)
        return builder.extract_value(pair, 1)

    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def give_way(typing: Any) -> Any:
    """Let the operating system run another thread on this core, if one waits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if sys.platform != "win32":
            yield_ = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), []), "sched_yield")
            builder.call(yield_, [])
        return context.get_dummy_value()

    return types.void(), generate


@inner
def wait_for(address, value):
    """Look at a word until it holds a value."""
    spins = 0
    while atomic_load(address) != value:
        spins += 1
        if spins > SPINS:
            give_way()
