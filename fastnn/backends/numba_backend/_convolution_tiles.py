"""The two micro-kernels of convolutions, emitted as LLVM vector code; lanes are samples in both.

``gather_tile`` is ``product_tile`` (see ``_tiles.py``) whose steps go through channels and, for each, through a table
of taps. ``match_tile`` multiplies rows of two tensors at matching positions: the gradient of weights. Each lane does
exactly what the naive loop does, in its order: separate multiply and add.
"""

from __future__ import annotations

from typing import Any

from fastnn.backends.numba_backend._jit import VECTOR_BYTES, intrinsic, types
from fastnn.backends.numba_backend._memory import I64
from fastnn.backends.numba_backend._tiles import _constant, _Vectors


def _loop(builder: Any, name: str) -> tuple[Any, Any, Any]:
    """Return the three new blocks of a loop: head, body, done."""
    head, body, done = (builder.append_basic_block(f"{name}.{part}") for part in ("head", "body", "done"))
    return head, body, done


def _load_word(builder: Any, address: Any, word: int) -> Any:
    return builder.load(builder.inttoptr(builder.add(address, _constant(8 * word)), I64.as_pointer()))


@intrinsic(prefer_literal=True)
def gather_tile(typing: Any, zero: Any, mr: Any, nv: Any, w: Any, w_m: Any, w_c: Any, x: Any, x_c: Any, channels: Any,
                taps: Any, count: Any, z: Any, z_m: Any, bias: Any) -> Any:  # fmt: skip
    """Compute ``z[m, :] = bias[m] + sum over c, then t, of w[m, c, t] * x[c, t, :]`` for ``mr`` rows of ``nv`` vectors.

    Everything is in bytes. ``w[m, c, t]`` lies ``m * w_m + c * w_c + taps[t, 0]`` past ``w``, row ``x[c, t]`` lies
    ``c * x_c + taps[t, 1]`` past ``x``, row ``m`` of z ``m * z_m`` past ``z``; ``taps`` is the address of an int64
    table of ``count`` pairs. ``mr`` and ``nv`` are literals.
    """
    rows, vectors = mr.literal_value, nv.literal_value
    signature = types.void(zero, mr, nv, *[types.int64] * 11)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        w, w_m, w_c, x, x_c, channels, taps, count, z, z_m, bias = arguments[3:]
        tile = [(m, n) for m in range(rows) for n in range(vectors)]
        w_row = [builder.add(w, builder.mul(w_m, _constant(m))) for m in range(rows)]
        starts = [v.broadcast(builder.add(bias, _constant(m * v.size))) for m in range(rows)]
        initial = [starts[m] for m, n in tile]
        end = builder.add(taps, builder.mul(count, _constant(16)))
        before = builder.block
        outer, outer_body, outer_done = _loop(builder, "channel")
        inner, inner_body, inner_done = _loop(builder, "tap")
        builder.branch(outer)

        builder.position_at_end(outer)
        c, w_at, x_at = (builder.phi(I64) for _ in range(3))
        outer_sums = [builder.phi(v.vector) for _ in tile]
        for phi, value in zip([c, w_at, x_at, *outer_sums], [_constant(0), _constant(0), x, *initial], strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", c, channels), outer_body, outer_done)

        builder.position_at_end(outer_body)
        builder.branch(inner)

        builder.position_at_end(inner)
        tap = builder.phi(I64)
        sums = [builder.phi(v.vector) for _ in tile]
        for phi, value in zip([tap, *sums], [taps, *outer_sums], strict=True):
            phi.add_incoming(value, outer_body)
        builder.cbranch(builder.icmp_signed("<", tap, end), inner_body, inner_done)

        builder.position_at_end(inner_body)
        of_weight = builder.add(w_at, _load_word(builder, tap, 0))
        row = builder.add(x_at, _load_word(builder, tap, 1))
        right = [v.load(v.at(row, n)) for n in range(vectors)]
        left = [v.broadcast(builder.add(w_row[m], of_weight)) for m in range(rows)]
        # invariant: sums[m, n] holds the bias and the products of channels 0..c-1 and of c's taps before this one
        added = [builder.fadd(s, builder.fmul(left[m], right[n])) for s, (m, n) in zip(sums, tile, strict=True)]
        for phi, value in zip([tap, *sums], [builder.add(tap, _constant(16)), *added], strict=True):
            phi.add_incoming(value, inner_body)
        builder.branch(inner)

        builder.position_at_end(inner_done)
        after = [builder.add(c, _constant(1)), builder.add(w_at, w_c), builder.add(x_at, x_c), *sums]
        for phi, value in zip([c, w_at, x_at, *outer_sums], after, strict=True):
            phi.add_incoming(value, inner_done)
        builder.branch(outer)

        builder.position_at_end(outer_done)
        for s, (m, n) in zip(outer_sums, tile, strict=True):
            v.store(s, v.at(builder.add(z, builder.mul(z_m, _constant(m))), n))
        return context.get_dummy_value()

    return signature, generate


@intrinsic(prefer_literal=True)
def match_tile(typing: Any, zero: Any, mr: Any, nr: Any, d: Any, d_m: Any, a: Any, a_n: Any, pairs: Any, count: Any,
               sums_at: Any, sums_m: Any, sums_n: Any) -> Any:  # fmt: skip
    """Add ``sum over t, ascending, of d[m, t, :] * a[n, t, :]`` to ``mr * nr`` vectors of sums.

    Everything is in bytes. Vector ``d[m, t]`` lies ``m * d_m + pairs[t, 0]`` past ``d``, ``a[n, t]`` lies ``n * a_n +
    pairs[t, 1]`` past ``a``, the sums of (m, n) ``m * sums_m + n * sums_n`` past ``sums_at``; ``pairs`` is the address
    of an int64 table of ``count`` pairs. ``mr`` and ``nr`` are literals.
    """
    rows, columns = mr.literal_value, nr.literal_value
    signature = types.void(zero, mr, nr, *[types.int64] * 9)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        d, d_m, a, a_n, pairs, count, sums_at, sums_m, sums_n = arguments[3:]
        tile = [(m, n) for m in range(rows) for n in range(columns)]

        def stepped(base: Any, step: Any, n: int) -> Any:
            return builder.add(base, builder.mul(step, _constant(n)))

        places = [stepped(stepped(sums_at, sums_m, m), sums_n, n) for m, n in tile]
        initial = [v.load(place) for place in places]
        end = builder.add(pairs, builder.mul(count, _constant(16)))
        before = builder.block
        head, body, done = _loop(builder, "match")
        builder.branch(head)

        builder.position_at_end(head)
        pair = builder.phi(I64)
        sums = [builder.phi(v.vector) for _ in tile]
        for phi, value in zip([pair, *sums], [pairs, *initial], strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", pair, end), body, done)

        builder.position_at_end(body)
        d_at, a_at = builder.add(d, _load_word(builder, pair, 0)), builder.add(a, _load_word(builder, pair, 1))
        left = [v.load(stepped(d_at, d_m, m)) for m in range(rows)]
        right = [v.load(stepped(a_at, a_n, n)) for n in range(columns)]
        # invariant: sums[m, n] holds the products of the positions before this one
        added = [builder.fadd(s, builder.fmul(left[m], right[n])) for s, (m, n) in zip(sums, tile, strict=True)]
        for phi, value in zip([pair, *sums], [builder.add(pair, _constant(16)), *added], strict=True):
            phi.add_incoming(value, body)
        builder.branch(head)

        builder.position_at_end(done)
        for s, place in zip(sums, places, strict=True):
            v.store(s, place)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def pack_rows(typing: Any, zero: Any, source: Any, between: Any, target: Any, count: Any) -> Any:
    """Copy ``count`` vectors that lie ``between`` bytes apart from ``source`` on to ``target``, side by side."""
    signature = types.void(zero, *[types.int64] * 4)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        source, between, target, count = arguments[1:]
        end = builder.add(target, builder.mul(count, _constant(VECTOR_BYTES)))
        before = builder.block
        head, body, done = _loop(builder, "pack")
        builder.branch(head)
        builder.position_at_end(head)
        read, written = builder.phi(I64), builder.phi(I64)
        read.add_incoming(source, before)
        written.add_incoming(target, before)
        builder.cbranch(builder.icmp_signed("<", written, end), body, done)
        builder.position_at_end(body)
        v.store(v.load(read), written)
        read.add_incoming(builder.add(read, between), body)
        written.add_incoming(v.at(written, 1), body)
        builder.branch(head)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, generate
