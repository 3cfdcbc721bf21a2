"""Loads and stores that say which rows cannot overlap, for loops over many rows at once.

LLVM compiles a loop over several rows in vectors only if it knows that what is written is not read again under another
name, and gives up where that would take more than a few comparisons. Each access names its *stream*, a number; accesses
of different streams of a function never touch the same memory, anywhere in the function. Accesses of one stream may.
(LSTM, 28 steps, 64 units, 32 samples: forward 459 us with streams, 545 without.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from fastnn.backends.numba_backend._jit import intrinsic, types
from fastnn.backends.numba_backend._memory import _pointer as pointer

STREAMS = 16


def _say(module: Any, access: Any, stream: int) -> None:
    """Attach to a load or store that it touches no memory of another stream."""

    def text(words: str) -> Any:
        return ir.MetaDataString(module, words)

    domain = module.add_metadata([text("fastnn streams")])
    scopes = [module.add_metadata([text(f"fastnn stream {k}"), domain]) for k in range(STREAMS)]
    access.set_metadata("alias.scope", module.add_metadata([scopes[stream]]))
    access.set_metadata("noalias", module.add_metadata([s for k, s in enumerate(scopes) if k != stream]))


@intrinsic(prefer_literal=True)
def get(typing: Any, row: Any, i: Any, stream: Any) -> Any:
    """Return element ``i`` at a pointer of a stream."""
    number = stream.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        access = builder.load(builder.gep(arguments[0], [arguments[1]], inbounds=True))
        _say(builder.module, access, number)
        return access

    return row.dtype(row, types.int64, stream), generate


@intrinsic(prefer_literal=True)
def put(typing: Any, row: Any, i: Any, stream: Any, value: Any) -> Any:
    """Write element ``i`` at a pointer of a stream."""
    number = stream.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        access = builder.store(arguments[3], builder.gep(arguments[0], [arguments[1]], inbounds=True))
        _say(builder.module, access, number)
        return context.get_dummy_value()

    return types.void(row, types.int64, stream, row.dtype), generate


__all__ = ["get", "pointer", "put"]
