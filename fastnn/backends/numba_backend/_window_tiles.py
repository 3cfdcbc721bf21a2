"""Micro-kernels of pooling and of sums of rows: a window's rows go through registers once.

Each works on ``nv`` vectors of one row of every cell that a window sees; entry ``t`` of the int64 table at ``taps``
says how many bytes past ``base`` the cell's row lies. The loop over the cells runs inside, over values in registers.
All tiles take the same operands, so that one loop over a row's vectors (``over_run``) serves them:
``tile(zero, nv, mode, how, taps, count, base, p, q, r, number)``; the first three after ``zero`` are literals, p, q and
r addresses of what else is read or written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from fastnn.backends.numba_backend._jit import inner, intrinsic, types
from fastnn.backends.numba_backend._layout import BLOCK
from fastnn.backends.numba_backend._memory import I64
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES
from fastnn.backends.numba_backend._tiles import _constant, _Vectors
from fastnn.backends.numba_backend.activation import long_rows

FROM_ZERO, FROM_FIRST = 0, 1
"""Modes of a sum: where it starts."""

SET, ADD, RECTIFIED = 0, 1, 2
"""Modes of a gradient: whether it is the first of its cell, added to +0, or is added to what is there; or the first,
times the derivative of the rectifier whose output the cell is."""

AS_IT_IS, TIMES, OVER = 0, 1, 2
"""What becomes of a sum, or of a gradient that is handed on: it is multiplied or divided by ``number``."""


def _loop(builder: Any, first: int, count: Any, start: Sequence[Any], body: Callable[[Any, Any], Any]) -> list[Any]:
    """Emit ``for t in range(first, count): values = body(t, values)`` and return the last values."""
    before = builder.block
    head, inside, done = (builder.append_basic_block(f"taps.{name}") for name in ("head", "body", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    t = builder.phi(I64)
    values = [builder.phi(value.type) for value in start]
    for phi, value in zip([t, *values], [_constant(first), *start], strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", t, count), inside, done)
    builder.position_at_end(inside)
    after = body(t, values)
    for phi, value in zip([t, *values], [builder.add(t, _constant(1)), *after], strict=True):
        phi.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(done)
    return values


def _tap(builder: Any, taps: Any, t: Any, base: Any) -> Any:
    """Return the address of tap ``t``."""
    entry = builder.add(taps, builder.mul(t, _constant(8)))
    return builder.add(base, builder.load(builder.inttoptr(entry, I64.as_pointer())))


def _zeros(v: Any) -> Any:
    return ir.Constant(v.vector, [ir.Constant(v.scalar, 0.0)] * v.lanes)


def _ones(v: Any) -> Any:
    return ir.Constant(v.vector, [ir.Constant(v.scalar, 1.0)] * v.lanes)


def _scaled(v: Any, how: int, values: list[Any], number: Any) -> list[Any]:
    """Return vectors times or over a scalar."""
    if how == AS_IT_IS:
        return values
    everywhere = v.splat(number)
    operation = v.builder.fmul if how == TIMES else v.builder.fdiv
    return [operation(value, everywhere) for value in values]


def _tile(emit: Callable[..., None]) -> Any:
    """Return the intrinsic whose code ``emit(v, n, mode, how, taps, count, base, p, q, r, number)`` writes."""

    @intrinsic(prefer_literal=True)
    def tile(typing: Any, zero: Any, nv: Any, mode: Any, how: Any, taps: Any, count: Any, base: Any, p: Any, q: Any,
             r: Any, number: Any) -> Any:  # fmt: skip
        literals = [x.literal_value for x in (nv, mode, how)]

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit(_Vectors(context, builder, zero), *literals, *arguments[4:])
            return context.get_dummy_value()

        return types.void(zero, nv, mode, how, *[types.int64] * 6, zero), generate

    return tile


def _emit_max(v: Any, n: int, mode: int, how: int, taps: Any, count: Any, base: Any, p: Any, q: Any, r: Any,
              number: Any) -> None:  # fmt: skip
    """Write to p the greatest of ``count`` rows: the first of equals, or the first NaN."""
    b = v.builder
    first = _tap(b, taps, _constant(0), base)

    def body(t: Any, top: Any) -> Any:
        at = _tap(b, taps, t, base)
        after = []
        for i in range(n):
            x = v.load(v.at(at, i))
            stays = b.or_(b.fcmp_ordered(">=", top[i], x), b.fcmp_unordered("uno", top[i], top[i]))
            after.append(b.select(stays, top[i], x))
        return after

    top = _loop(b, 1, count, [v.load(v.at(first, i)) for i in range(n)], body)
    for i in range(n):
        v.store(top[i], v.at(p, i))


def _emit_max_gradient(v: Any, n: int, mode: int, how: int, taps: Any, count: Any, base: Any, p: Any, q: Any, r: Any,
                       number: Any) -> None:  # fmt: skip
    """Hand the gradient at r to the first of ``count`` rows that is equal to q's, or NaN, and +0 to the others.

    The gradients' rows lie as far past p as the cells' past ``base``; without ``ADD``, at the cells themselves too.
    """
    b = v.builder
    top = [v.load(v.at(q, i)) for i in range(n)]
    further = b.sub(p, base)

    def body(t: Any, rest: Any) -> Any:
        # invariant: rest holds the gradient where no row before t has won, and +0 elsewhere
        at = _tap(b, taps, t, base)
        to = b.add(at, further)
        after = []
        for i in range(n):
            x = v.load(v.at(at, i))
            wins = b.or_(b.fcmp_ordered("==", x, top[i]), b.fcmp_unordered("uno", x, x))
            before = v.load(v.at(to, i)) if mode == ADD else _zeros(v)
            gradient = b.fadd(before, b.select(wins, rest[i], _zeros(v)))
            if mode == RECTIFIED:
                gradient = b.fmul(gradient, b.select(b.fcmp_ordered(">", x, _zeros(v)), _ones(v), _zeros(v)))
            v.store(gradient, v.at(to, i))
            after.append(b.select(wins, _zeros(v), rest[i]))
        return after

    _loop(b, 0, count, [v.load(v.at(r, i)) for i in range(n)], body)


def _emit_sum(v: Any, n: int, mode: int, how: int, taps: Any, count: Any, base: Any, p: Any, q: Any, r: Any,
              number: Any) -> None:  # fmt: skip
    """Write to p the sum of ``count`` rows, in order."""
    b = v.builder

    def body(t: Any, sums: Any) -> Any:
        at = _tap(b, taps, t, base)
        return [b.fadd(sums[i], v.load(v.at(at, i))) for i in range(n)]

    start = [_zeros(v)] * n
    if mode == FROM_FIRST:
        first = _tap(b, taps, _constant(0), base)
        start = [v.load(v.at(first, i)) for i in range(n)]
    for i, value in enumerate(_scaled(v, how, _loop(b, mode, count, start, body), number)):
        v.store(value, v.at(p, i))


def _emit_share(v: Any, n: int, mode: int, how: int, taps: Any, count: Any, base: Any, p: Any, q: Any, r: Any,
                number: Any) -> None:  # fmt: skip
    """Hand the row at p to ``count`` rows."""
    b = v.builder
    parts = _scaled(v, how, [v.load(v.at(p, i)) for i in range(n)], number)

    def body(t: Any, _: Any) -> Any:
        to = _tap(b, taps, t, base)
        for i in range(n):
            before = v.load(v.at(to, i)) if mode == ADD else _zeros(v)
            v.store(b.fadd(before, parts[i]), v.at(to, i))
        return []

    _loop(b, 0, count, [], body)


def over_run(emit: Callable[..., None], mode: int = 0, how: int = AS_IT_IS) -> Any:
    """Return a function that applies a tile to ``rows`` neighboring rows of a block, of which ``lanes`` are in use."""
    tile = _tile(emit)

    @inner
    def run(zero, size, rows, lanes, taps, count, base, p, q, r, number):
        rows, lanes = long_rows(rows, lanes)
        for i in range(rows):
            at, end = i * BLOCK * size, (i * BLOCK + lanes) * size
            while at + TILE_VECTORS * VECTOR_BYTES <= end:
                tile(zero, TILE_VECTORS, mode, how, taps, count, base + at, p + at, q + at, r + at, number)
                at += TILE_VECTORS * VECTOR_BYTES
            while at < end:
                tile(zero, 1, mode, how, taps, count, base + at, p + at, q + at, r + at, number)
                at += VECTOR_BYTES

    return run


greatest = over_run(_emit_max)
hand_to_greatest, add_to_greatest, hand_rectified = (
    over_run(_emit_max_gradient, mode) for mode in (SET, ADD, RECTIFIED)
)
sum_from_first = over_run(_emit_sum, FROM_FIRST)
mean_times, mean_over = (over_run(_emit_sum, FROM_ZERO, how) for how in (TIMES, OVER))
share_times, share_over = (over_run(_emit_share, SET, how) for how in (TIMES, OVER))
add_times, add_over = (over_run(_emit_share, ADD, how) for how in (TIMES, OVER))
