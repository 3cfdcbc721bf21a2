"""The two micro-kernels of convolutions, emitted as LLVM vector code; lanes are samples in both.

``gather_tile`` is ``product_tile`` (see ``_tiles.py``) whose steps go through channels and, for each, through a table
of taps. ``match_tile`` multiplies rows of two tensors at matching positions: the gradient of weights. Each lane does
exactly what the naive loop does, in its order: separate multiply and add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from fastnn.backends.numba_backend._convolution_matches import ALL_TAPS, PLACE_AND_CELL_AND_TAPS
from fastnn.backends.numba_backend._jit import intrinsic, types
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
                taps: Any, count: Any, z: Any, z_m: Any, bias: Any, limit: Any) -> Any:  # fmt: skip
    """Compute ``z[m, :] = bias[m] + sum over c, then t, of w[m, c, t] * x[c, t, :]`` for ``mr`` rows of ``nv`` vectors.

    Sums that are not greater than ``limit`` become +0: 0 rectifies, NaN leaves all as it is.

    Everything is in bytes. ``w[m, c, t]`` lies ``m * w_m + c * w_c + taps[t, 0]`` past ``w``, row ``x[c, t]`` lies
    ``c * x_c + taps[t, 1]`` past ``x``, row ``m`` of z ``m * z_m`` past ``z``; ``taps`` is the address of an int64
    table of ``count`` pairs. ``mr`` and ``nv`` are literals.
    """
    rows, vectors = mr.literal_value, nv.literal_value
    signature = types.void(zero, mr, nv, *[types.int64] * 11, zero)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        w, w_m, w_c, x, x_c, channels, taps, count, z, z_m, bias, limit = arguments[3:]
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
        most, nothing = v.splat(limit), ir.Constant(v.vector, [ir.Constant(v.scalar, 0.0)] * v.lanes)
        for s, (m, n) in zip(outer_sums, tile, strict=True):
            s = builder.select(builder.fcmp_ordered("<=", s, most), nothing, s)
            v.store(s, v.at(builder.add(z, builder.mul(z_m, _constant(m))), n))
        return context.get_dummy_value()

    return signature, generate


@intrinsic(prefer_literal=True)
def match_tile(typing: Any, zero: Any, mr: Any, nr: Any, d: Any, d_m: Any, a: Any, a_n: Any, matches: Any, count: Any,
               sums_at: Any, sums_m: Any, sums_n: Any) -> Any:  # fmt: skip
    """Add ``sum over t, ascending, of d[m, t, :] * a[n, t, :]`` to ``mr * nr`` vectors of sums.

    Everything is in bytes. Vector ``d[m, t]`` lies ``m * d_m + matches[t, 0]`` past ``d``, ``a[n, t]`` lies ``n * a_n +
    matches[t, 1]`` past ``a``, the sums of (m, n) ``m * sums_m + n * sums_n`` past ``sums_at``; ``matches`` is the
    address of an int64 table of ``count`` rows. Where ``matches[t, 2]`` is not ``ALL_TAPS``, bit n says whether
    ``a[n, t]`` exists: what does not is not read, and adds nothing. ``mr`` and ``nr`` are literals.
    """
    rows, columns = mr.literal_value, nr.literal_value
    signature = types.void(zero, mr, nr, *[types.int64] * 9)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        d, d_m, a, a_n, matches, count, sums_at, sums_m, sums_n = arguments[3:]

        def stepped(base: Any, step: Any, n: int) -> Any:
            return builder.add(base, builder.mul(step, _constant(n)))

        def add_column(n: int) -> list[Any]:
            """Return the sums of column n with the products of a position."""
            right = v.load(stepped(a_at, a_n, n))
            return [builder.fadd(s, builder.fmul(x, right)) for s, x in zip(sums[n], left, strict=True)]

        columns_at = [stepped(sums_at, sums_n, n) for n in range(columns)]
        initial = [[v.load(stepped(at, sums_m, m)) for m in range(rows)] for at in columns_at]
        width = 8 * PLACE_AND_CELL_AND_TAPS
        end = builder.add(matches, builder.mul(count, _constant(width)))
        before = builder.block
        head, body, done = _loop(builder, "match")
        builder.branch(head)

        builder.position_at_end(head)
        match = builder.phi(I64)
        # invariant: sums[n][m] holds the products of the positions before this one
        sums = [[builder.phi(v.vector) for _ in range(rows)] for _ in range(columns)]
        match.add_incoming(matches, before)
        for phis, values in zip(sums, initial, strict=True):
            for phi, value in zip(phis, values, strict=True):
                phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", match, end), body, done)

        builder.position_at_end(body)
        d_at, a_at = builder.add(d, _load_word(builder, match, 0)), builder.add(a, _load_word(builder, match, 1))
        left = [v.load(stepped(d_at, d_m, m)) for m in range(rows)]
        ways = [builder.block]
        some, after = None, builder.append_basic_block("match.after")
        if columns > 1:
            exist = _load_word(builder, match, 2)
            every, some = (builder.append_basic_block(f"match.{name}") for name in ("every", "some"))
            builder.cbranch(builder.icmp_signed("==", exist, _constant(ALL_TAPS)), every, some)
            builder.position_at_end(every)
            ways = [every]
        found = [[add_column(n) for n in range(columns)]]
        builder.branch(after)
        if some is not None:
            builder.position_at_end(some)
            found.append([])
            for n in range(columns):
                found[1].append(_if_bit(builder, exist, n, sums[n], add_column))
            ways.append(builder.block)
            builder.branch(after)

        builder.position_at_end(after)
        for n in range(columns):
            for m in range(rows):
                joined = builder.phi(v.vector)
                for way, values in zip(ways, found, strict=True):
                    joined.add_incoming(values[n][m], way)
                sums[n][m].add_incoming(joined, after)
        match.add_incoming(builder.add(match, _constant(width)), after)
        builder.branch(head)

        builder.position_at_end(done)
        for at, values in zip(columns_at, sums, strict=True):
            for m, value in enumerate(values):
                v.store(value, stepped(at, sums_m, m))
        return context.get_dummy_value()

    return signature, generate


def _if_bit(builder: Any, word: Any, bit: int, values: list[Any], changed: Callable[[int], list[Any]]) -> list[Any]:
    """Emit ``changed(bit)`` where the bit of a word is set, else ``values``, and return the result."""
    before = builder.block
    then, after = (builder.append_basic_block(f"bit.{name}") for name in ("then", "after"))
    builder.cbranch(builder.icmp_signed("!=", builder.and_(word, _constant(1 << bit)), _constant(0)), then, after)
    builder.position_at_end(then)
    new = changed(bit)
    then = builder.block
    builder.branch(after)
    builder.position_at_end(after)
    joined = [builder.phi(value.type) for value in values]
    for phi, old, value in zip(joined, values, new, strict=True):
        phi.add_incoming(old, before)
        phi.add_incoming(value, then)
    return joined


@intrinsic(prefer_literal=True)
def pack_rows(typing: Any, zero: Any, nv: Any, source: Any, between: Any, target: Any, apart: Any, planes: Any,
              count: Any) -> Any:  # fmt: skip
    """Copy ``count`` rows of ``nv`` vectors, from ``source`` on ``between`` bytes apart, to ``target``.

    There rows lie ``apart`` bytes apart, and a row's vectors ``planes``. ``nv`` is a literal.
    """
    vectors = nv.literal_value
    signature = types.void(zero, nv, *[types.int64] * 6)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        source, between, target, apart, planes, count = arguments[2:]
        end = builder.add(source, builder.mul(count, between))
        before = builder.block
        head, body, done = _loop(builder, "pack")
        builder.branch(head)
        builder.position_at_end(head)
        read, written = builder.phi(I64), builder.phi(I64)
        read.add_incoming(source, before)
        written.add_incoming(target, before)
        builder.cbranch(builder.icmp_signed("<", read, end), body, done)
        builder.position_at_end(body)
        for n, value in enumerate([v.load(v.at(read, n)) for n in range(vectors)]):
            v.store(value, builder.add(written, builder.mul(planes, _constant(n))))
        read.add_incoming(builder.add(read, between), body)
        written.add_incoming(builder.add(written, apart), body)
        builder.branch(head)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, generate
