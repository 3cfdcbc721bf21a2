"""The micro-kernel of single samples, emitted as LLVM vector code: one row of sums over packed weights."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from fastnn.backends.numba_backend._memory import I64
from fastnn.backends.numba_backend._tiles import _constant, _Vectors


@intrinsic(prefer_literal=True)
def row_tile(typing: Any, zero: Any, nv: Any, x: Any, w: Any, b: Any, z: Any, count: Any) -> Any:
    """Compute ``z[:] = b[:] + sum over t, ascending, of x[t] * w[t, :]``, ``nv`` vectors wide.

    Addresses in bytes; rows of ``w`` lie side by side. ``nv`` is a literal.
    """
    vectors = nv.literal_value
    signature = types.void(zero, nv, *[types.int64] * 5)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        x, w, b, z, count = arguments[2:]
        initial = [v.load(v.at(b, n)) for n in range(vectors)]
        end = builder.add(x, builder.mul(count, _constant(v.size)))
        before = builder.block
        head, body, done = (builder.append_basic_block(f"row.{part}") for part in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        x_at, w_at = builder.phi(I64), builder.phi(I64)
        sums = [builder.phi(v.vector) for _ in range(vectors)]
        for phi, value in zip([x_at, w_at, *sums], [x, w, *initial], strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", x_at, end), body, done)
        builder.position_at_end(body)
        left = v.broadcast(x_at)
        # invariant: sums hold the bias and the products 0..t-1
        added = [builder.fadd(s, builder.fmul(left, v.load(v.at(w_at, n)))) for n, s in enumerate(sums)]
        after = [builder.add(x_at, _constant(v.size)), v.at(w_at, vectors), *added]
        for phi, value in zip([x_at, w_at, *sums], after, strict=True):
            phi.add_incoming(value, body)
        builder.branch(head)
        builder.position_at_end(done)
        for n, s in enumerate(sums):
            v.store(s, v.at(z, n))
        return context.get_dummy_value()

    return signature, generate
