"""The two micro-kernels, emitted as LLVM vector code: a tile of a product, and a transposed tile.

``product_tile`` holds ``mr x nv`` vector accumulators in registers and, for each step ``t``, multiplies ``mr``
broadcast scalars into one row of ``nv`` vectors: separate multiply and add, so each lane does exactly what the
naive loop does, in its order. Lanes are samples (forward, gradient to the input) or features (gradient of the
weights). One core of an AVX-512 CPU: 105-114 GFLOP/s in float32 and 54 in float64, where the two vector ports allow
105-114 without FMA; plain njit loops, blocked by hand, give about 60.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from fastnn.backends.numba_backend._jit import intrinsic, types
from fastnn.backends.numba_backend._memory import I64
from fastnn.backends.numba_backend._prefetch import prefetch_line
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES

FROM_ZERO, FROM_BIAS, FROM_MEMORY, GOING_ON = 0, 1, 2, 3
"""Where the accumulators of a tile start. With ``GOING_ON`` the argument ``bias`` tells: from memory unless it is 0,
which stands for +0. One loop for both, where a sum is taken up again several times."""


PIECE_BYTES = 16
"""Bytes within which shuffles cost least."""


def tile_rows(vectors: int) -> int:
    """Return how many rows a tile of ``vectors`` takes: as many accumulators whatever its width, 4 rows at least.

    Narrow tiles of 4 rows would spend the time on loads: on 32 of 64 samples a convolution took 13.9 ms, with 8 rows
    11.5.
    """
    return 4 * TILE_VECTORS // vectors


def _constant(value: int) -> Any:
    return ir.Constant(I64, value)


class _Vectors:
    """Loads, stores and broadcasts of vectors of one dtype."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.builder = builder
        self.scalar = context.get_value_type(dtype)
        self.size = dtype.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.size
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.undefined = ir.Constant(self.vector, ir.Undefined)

    def bytes(self, elements: Any) -> Any:
        return self.builder.mul(elements, _constant(self.size))

    def at(self, base: Any, vectors: int) -> Any:
        return self.builder.add(base, _constant(vectors * VECTOR_BYTES))

    def load(self, address: Any) -> Any:
        pointer = self.builder.inttoptr(address, self.vector.as_pointer())
        return self.builder.load(pointer, align=self.size)

    def store(self, value: Any, address: Any) -> None:
        pointer = self.builder.inttoptr(address, self.vector.as_pointer())
        self.builder.store(value, pointer, align=self.size)

    def broadcast(self, address: Any) -> Any:
        pointer = self.builder.inttoptr(address, self.scalar.as_pointer())
        return self.splat(self.builder.load(pointer, align=self.size))

    def splat(self, value: Any) -> Any:
        first = self.builder.insert_element(self.undefined, value, ir.Constant(ir.IntType(32), 0))
        return self.shuffle(first, self.undefined, [0] * self.lanes)

    def shuffle(self, a: Any, b: Any, mask: list[int]) -> Any:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(mask)), mask))

    @property
    def piece(self) -> int:
        """Elements of 16 bytes."""
        return PIECE_BYTES // self.size

    def squares(self, rows: list[Any]) -> list[Any]:
        """Return ``piece`` vectors transposed within every 16 bytes: element t of each row's in vector t."""
        if self.piece == 4:
            pairs = (rows[0], rows[1]), (rows[2], rows[3])
            rows = [self._interleaved(*pair, 1, high) for high in range(2) for pair in pairs]
        return [
            self._interleaved(rows[i], rows[i + 1], self.piece // 2, high)
            for i in range(0, self.piece, 2)
            for high in range(2)
        ]

    def _interleaved(self, a: Any, b: Any, run: int, high: int) -> Any:
        """Return runs of a and b by turns, in every 16 bytes those of the lower or of the higher 8."""
        mask: list[int] = []
        for at in range(0, self.lanes, self.piece):
            for k in range(at + high * self.piece // 2, at + (high + 1) * self.piece // 2, run):
                mask += [*range(k, k + run), *range(self.lanes + k, self.lanes + k + run)]
        return self.shuffle(a, b, mask)


@intrinsic(prefer_literal=True)
def product_tile(typing: Any, zero: Any, mr: Any, nv: Any, start: Any, table: Any, a: Any, a_m: Any, a_t: Any,
                 b: Any, b_t: Any, c: Any, c_m: Any, bias: Any, count: Any) -> Any:  # fmt: skip
    """Compute ``c[m, :] = start + sum over t, ascending, of a[m, t] * b[t, :]`` for ``mr`` rows of ``nv`` vectors.

    ``a[m, t]`` lies ``m * a_m + t * a_t`` elements past ``a``; row ``t`` of b ``t * b_t`` elements past ``b`` or, with
    ``table``, ``b_t`` bytes past the address in entry ``t`` of the int64 table at ``b``; row ``m`` of c ``m * c_m``
    elements past ``c``. The sum starts from +0, from ``bias[m]`` or from c, by ``start``. ``mr``, ``nv``, ``start`` and
    ``table`` are literals.
    """
    rows, vectors, begin, by_table = (x.literal_value for x in (mr, nv, start, table))
    signature = types.void(zero, mr, nv, start, table, *[types.int64] * 9)
    return signature, _product(zero, rows, vectors, begin, by_table, None)


@intrinsic(prefer_literal=True)
def product_tile_ahead(typing: Any, zero: Any, mr: Any, nv: Any, start: Any, table: Any, a: Any, a_m: Any, a_t: Any,
                       b: Any, b_t: Any, c: Any, c_m: Any, bias: Any, count: Any, ahead: Any, ahead_t: Any,
                       near: Any) -> Any:  # fmt: skip
    """As ``product_tile``, and ask at each step ``t`` for the cache line at ``ahead + t * ahead_t``, in bytes.

    Which is what a later tile reads of a: weights that another core has updated come from its cache. ``near``, a
    literal, is the cache where the lines shall wait (see ``_prefetch.py``).
    """
    rows, vectors, begin, by_table = (x.literal_value for x in (mr, nv, start, table))
    signature = types.void(zero, mr, nv, start, table, *[types.int64] * 11, near)
    return signature, _product(zero, rows, vectors, begin, by_table, near.literal_value)


def _product(dtype: Any, rows: int, vectors: int, begin: int, by_table: int, near: int | None) -> Any:
    """Return what emits ``product_tile`` or, where ``near`` is given, ``product_tile_ahead``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, dtype)
        a, a_m, a_t, b, b_t, c, c_m, bias, count = arguments[5:14]
        a_m, a_t, c_m = v.bytes(a_m), v.bytes(a_t), v.bytes(c_m)
        b_t = b_t if by_table else v.bytes(b_t)
        tile = [(m, n) for m in range(rows) for n in range(vectors)]
        a_row = [builder.add(a, builder.mul(a_m, _constant(m))) for m in range(rows)]
        c_row = [builder.add(c, builder.mul(c_m, _constant(m))) for m in range(rows)]
        zeros = [ir.Constant(v.vector, [ir.Constant(v.scalar, 0.0)] * v.lanes)] * len(tile)
        if begin == FROM_MEMORY:
            initial = [v.load(v.at(c_row[m], n)) for m, n in tile]
        elif begin == FROM_BIAS:
            values = [v.broadcast(builder.add(bias, _constant(m * v.size))) for m in range(rows)]
            initial = [values[m] for m, n in tile]
        elif begin == GOING_ON:
            anew = builder.block
            with builder.if_then(builder.icmp_unsigned("!=", bias, _constant(0))):
                again, held = builder.block, [v.load(v.at(c_row[m], n)) for m, n in tile]
            initial = [builder.phi(v.vector) for _ in tile]
            for phi, value, other in zip(initial, held, zeros, strict=True):
                phi.add_incoming(value, again)
                phi.add_incoming(other, anew)
        else:
            initial = zeros
        before = builder.block
        head = builder.append_basic_block("product.head")
        body = builder.append_basic_block("product.body")
        done = builder.append_basic_block("product.done")
        builder.branch(head)

        builder.position_at_end(head)
        t, a_at, b_at = (builder.phi(I64) for _ in range(3))
        sums = [builder.phi(v.vector) for _ in tile]
        for phi, value in zip([t, a_at, b_at, *sums], [_constant(0), _constant(0), b, *initial], strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", t, count), body, done)

        builder.position_at_end(body)
        row = b_at
        if by_table:
            row = builder.add(builder.load(builder.inttoptr(b_at, I64.as_pointer())), b_t)
        if near is not None:
            ahead, ahead_t = arguments[14:16]
            prefetch_line(builder, builder.add(ahead, builder.mul(t, ahead_t)), 0, near)
        right = [v.load(v.at(row, n)) for n in range(vectors)]
        left = [v.broadcast(builder.add(a_row[m], a_at)) for m in range(rows)]
        # invariant: sums[m, n] holds the start and the products 0..t-1
        added = [builder.fadd(s, builder.fmul(left[m], right[n])) for s, (m, n) in zip(sums, tile, strict=True)]
        step = _constant(8) if by_table else b_t
        after = [builder.add(t, _constant(1)), builder.add(a_at, a_t), builder.add(b_at, step), *added]
        for phi, value in zip([t, a_at, b_at, *sums], after, strict=True):
            phi.add_incoming(value, body)
        builder.branch(head)

        builder.position_at_end(done)
        for s, (m, n) in zip(sums, tile, strict=True):
            v.store(s, v.at(c_row[m], n))
        return context.get_dummy_value()

    return generate


@intrinsic(prefer_literal=True)
def positions_tile(typing: Any, zero: Any, mr: Any, nv: Any, start: Any, a: Any, a_m: Any, a_p: Any, b: Any, b_t: Any,
                   b_p: Any, c: Any, c_m: Any, positions: Any, count: Any) -> Any:  # fmt: skip
    """Compute ``c[m, :] = start + sum over p, then t, of a[p, m, t] * b[p, t, :]`` for ``mr`` rows of ``nv`` vectors.

    As ``product_tile``, over ``count`` neighbors ``t`` in each of ``positions``: ``a[p, m, t]`` lies ``p * a_p +
    m * a_m + t`` elements past ``a``, row ``t`` of b ``p * b_p + t * b_t`` past ``b``. Starts from +0 or from c.
    """
    rows, vectors, begin = (x.literal_value for x in (mr, nv, start))
    signature = types.void(zero, mr, nv, start, *[types.int64] * 10)
    return signature, _positions(zero, rows, vectors, begin, ahead=False)


@intrinsic(prefer_literal=True)
def positions_tile_ahead(typing: Any, zero: Any, mr: Any, nv: Any, start: Any, a: Any, a_m: Any, a_p: Any, b: Any,
                         b_t: Any, b_p: Any, c: Any, c_m: Any, positions: Any, count: Any,
                         ahead_t: Any) -> Any:  # fmt: skip
    """As ``positions_tile``, and ask for the cache lines of the next ``mr`` rows of a, at each ``t`` for another.

    The lines of a position lie ``ahead_t`` bytes apart.
    """
    rows, vectors, begin = (x.literal_value for x in (mr, nv, start))
    signature = types.void(zero, mr, nv, start, *[types.int64] * 11)
    return signature, _positions(zero, rows, vectors, begin, ahead=True)


def _positions(dtype: Any, rows: int, vectors: int, begin: int, ahead: bool) -> Any:
    """Return what emits ``positions_tile`` or ``positions_tile_ahead``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, dtype)
        a, a_m, a_p, b, b_t, b_p, c, c_m, positions, count = arguments[4:14]
        a_m, a_p, b_t, b_p, c_m = (v.bytes(x) for x in (a_m, a_p, b_t, b_p, c_m))
        tile = [(m, n) for m in range(rows) for n in range(vectors)]
        a_row = [builder.mul(a_m, _constant(m)) for m in range(rows)]
        c_row = [builder.add(c, builder.mul(c_m, _constant(m))) for m in range(rows)]
        if begin == FROM_MEMORY:
            initial = [v.load(v.at(c_row[m], n)) for m, n in tile]
        else:
            initial = [ir.Constant(v.vector, [ir.Constant(v.scalar, 0.0)] * v.lanes)] * len(tile)
        before = builder.block
        outer, head, body, next_, done = (
            builder.append_basic_block(f"positions.{name}") for name in ("outer", "head", "body", "next", "done")
        )
        builder.branch(outer)

        builder.position_at_end(outer)
        p, a_from, b_from = (builder.phi(I64) for _ in range(3))
        # invariant: held[m, n] holds the start and the products of the positions before p
        held = [builder.phi(v.vector) for _ in tile]
        for phi, value in zip([p, a_from, b_from, *held], [_constant(0), a, b, *initial], strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", p, positions), head, done)

        builder.position_at_end(head)
        t, b_at = builder.phi(I64), builder.phi(I64)
        sums = [builder.phi(v.vector) for _ in tile]
        for phi, value in zip([t, b_at, *sums], [_constant(0), b_from, *held], strict=True):
            phi.add_incoming(value, outer)
        builder.cbranch(builder.icmp_signed("<", t, count), body, next_)

        builder.position_at_end(body)
        right = [v.load(v.at(b_at, n)) for n in range(vectors)]
        at = builder.add(a_from, v.bytes(t))
        if ahead:
            next_rows = builder.add(a_from, builder.mul(a_m, _constant(rows)))
            prefetch_line(builder, builder.add(next_rows, builder.mul(t, arguments[14])), 0)
        left = [v.broadcast(builder.add(at, a_row[m])) for m in range(rows)]
        added = [builder.fadd(s, builder.fmul(left[m], right[n])) for s, (m, n) in zip(sums, tile, strict=True)]
        for phi, value in zip([t, b_at, *sums], [builder.add(t, _constant(1)), builder.add(b_at, b_t), *added],
                              strict=True):  # fmt: skip
            phi.add_incoming(value, body)
        builder.branch(head)

        builder.position_at_end(next_)
        after = [builder.add(p, _constant(1)), builder.add(a_from, a_p), builder.add(b_from, b_p), *sums]
        for phi, value in zip([p, a_from, b_from, *held], after, strict=True):
            phi.add_incoming(value, next_)
        builder.branch(outer)

        builder.position_at_end(done)
        for s, (m, n) in zip(held, tile, strict=True):
            v.store(s, v.at(c_row[m], n))
        return context.get_dummy_value()

    return generate


def turned(v: _Vectors, rows: list[Any]) -> list[Any]:
    """Return a square transposed: vector t holds element t of every row (addresses).

    Rows are read in pieces of 16 bytes where a register is that wide, else of half a register, two of which an AVX
    load joins without a shuffle. In each 16 bytes a square is transposed; what lies in quarters is then put in order.
    """
    c, lanes = v.piece, v.lanes
    halves = 1 if VECTOR_BYTES == 16 else 2
    piece = ir.VectorType(v.scalar, lanes // halves)

    def read(row: int, half: int) -> Any:
        address = v.builder.add(rows[row], _constant(half * VECTOR_BYTES // 2))
        return v.builder.load(v.builder.inttoptr(address, piece.as_pointer()), align=v.size)

    def joined(group: int, half: int) -> list[Any]:
        """Return c registers: rows of two groups of c side by side, one in each half."""
        if halves == 1:
            return [read(group * c + i, 0) for i in range(c)]
        whole = list(range(lanes))
        return [v.shuffle(read(group * c + i, half), read((group + 1) * c + i, half), whole) for i in range(c)]

    if VECTOR_BYTES < 64:
        return [f for half in range(halves) for f in v.squares(joined(0, half))]
    found: list[Any] = []
    for half in range(2):
        first, second = v.squares(joined(0, half)), v.squares(joined(2, half))
        for quarter in range(2):
            # quarters 0 and 2, or 1 and 3, of both
            mask = [base + (2 * q + quarter) * c + j for base in (0, lanes) for q in range(2) for j in range(c)]
            found += [v.shuffle(a, b, mask) for a, b in zip(first, second, strict=True)]
    return found


@intrinsic(prefer_literal=True)
def transpose_tile(typing: Any, zero: Any, table: Any, source: Any, source_row: Any, target: Any,
                   target_row: Any) -> Any:  # fmt: skip
    """Write a square tile, one vector wide, transposed: ``target[j, i] = source[i, j]``.

    Rows of the target lie ``target_row`` elements apart; rows of the source ``source_row`` elements apart or, with
    ``table``, ``source_row`` bytes past the addresses in the int64 table at ``source``. A block of 64 x 784
    float32 takes 5 us, by plain loops 31-44.
    """
    by_table = table.literal_value
    signature = types.void(zero, table, *[types.int64] * 4)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        source, source_row, target, target_row = arguments[2:]
        target_row = v.bytes(target_row)
        rows = []
        for i in range(v.lanes):
            if by_table:
                entry = builder.inttoptr(builder.add(source, _constant(8 * i)), I64.as_pointer())
                address = builder.add(builder.load(entry), source_row)
            else:
                address = builder.add(source, builder.mul(v.bytes(source_row), _constant(i)))
            rows.append(address)
        for j, row in enumerate(turned(v, rows)):
            v.store(row, builder.add(target, builder.mul(target_row, _constant(j))))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def add_square(typing: Any, zero: Any, source: Any, source_row: Any, sums: Any) -> Any:
    """Add a square tile, one vector wide, to a vector of sums: ``sums[i] += source[i, j]``, j ascending.

    Rows of the source lie ``source_row`` elements apart.
    """
    signature = types.void(zero, *[types.int64] * 3)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        source, source_row, sums = arguments[1:]
        rows = [builder.add(source, builder.mul(v.bytes(source_row), _constant(i))) for i in range(v.lanes)]
        total = v.load(sums)
        for column in turned(v, rows):
            total = builder.fadd(total, column)
        v.store(total, sums)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def transpose_pieces(typing: Any, zero: Any, table: Any, shift: Any, target: Any, target_row: Any) -> Any:
    """Write ``PIECE_BYTES`` of as many rows as a vector has lanes, transposed: ``target[t, i] = row i [t]``.

    Rows are read ``shift`` bytes past the addresses in the int64 table at ``table``; those of the target, one vector
    wide, lie ``target_row`` elements apart.
    """
    signature = types.void(zero, *[types.int64] * 4)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder, zero)
        table, shift, target, target_row = arguments[1:]
        piece, pieces = ir.VectorType(v.scalar, v.piece), v.lanes // v.piece

        def read(row: int) -> Any:
            entry = builder.inttoptr(builder.add(table, _constant(8 * row)), I64.as_pointer())
            address = builder.add(builder.load(entry), shift)
            return builder.load(builder.inttoptr(address, piece.as_pointer()), align=v.size)

        def joined(parts: list[Any]) -> Any:
            while len(parts) > 1:
                whole = list(range(2 * parts[0].type.count))
                parts = [v.shuffle(parts[i], parts[i + 1], whole) for i in range(0, len(parts), 2)]
            return parts[0]

        rows = [joined([read(q * v.piece + i) for q in range(pieces)]) for i in range(v.piece)]
        for t, row in enumerate(v.squares(rows)):
            v.store(row, builder.add(target, builder.mul(v.bytes(target_row), _constant(t))))
        return context.get_dummy_value()

    return signature, generate
