"""The backend's functions on arrays: each packs its arguments, runs one op of the programs, and unpacks the
result.

Signatures and shapes are those of ``fastnn.backends.protocol``; samples are columns. For whole networks there
are ``executor`` and ``network_forward``: these functions serve tests, comparisons and experiments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.activations import Activation
from fastnn.backends.numba_backend import _dense_weights, dense, loss, penalty, reduction, update
from fastnn.backends.numba_backend import activation as activations
from fastnn.backends.numba_backend._columns import OneOp, float_dtype
from fastnn.backends.numba_backend._jit import entry, inner
from fastnn.backends.numba_backend._layout import BLOCK, CONTEXT_SIZE, OPERANDS, RECORD_SIZE, ROW_ALIGNMENT, SCALARS
from fastnn.backends.numba_backend._memory import call, view
from fastnn.backends.numba_backend._ops import op
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES
from fastnn.backends.numba_backend._recording import bits_of
from fastnn.backends.numba_backend._sample_groups import make_position_sums
from fastnn.backends.numba_backend.reduction import make_sum_formula
from fastnn.contract import VECTOR_LANES, combine_pairwise
from fastnn.optimizers import UpdateRule

Array = np.ndarray[Any, Any]
Formula = Callable[..., Any]


def dense_forward(W: Array, b: Array | None, A: Array, positions: int = 1) -> Array:
    """Return ``Z = W A + b``; see ``protocol.Backend``."""
    (units, features), samples = W.shape, A.shape[1]
    run = OneOp(float_dtype(A), samples, features * positions, units * positions)
    run.put(0, A)
    bias = run.address(np.zeros(units) if b is None else b)
    run.over_blocks(dense.make_dense_forward, (), run.address(W), bias, run[0], run[1], run.block_bytes, units,
                    features, positions)  # fmt: skip
    return run.get(1)


def dense_backward_input(W: Array, dZ: Array, positions: int = 1) -> Array:
    """Return ``dA = W^T dZ``; see ``protocol.Backend``."""
    units, features = W.shape
    run = OneOp(float_dtype(dZ), dZ.shape[1], units * positions, features * positions)
    run.put(0, dZ)
    run.over_blocks(dense.make_dense_backward_input, (), run.address(W), run[0], run[1], run.block_bytes, units,
                    features, positions)  # fmt: skip
    return run.get(1)


@inner
def _store_sums(zero, size, context, operands, offset, stride, sums, between, rows, n):
    for m in range(rows):
        source = view(zero, sums + m * between, n)
        target = view(zero, view(0, operands, 1)[0] + (offset + m * stride) * size, n)
        for i in range(n):
            target[i] = source[i]


def make_sums(dtype: Any) -> Any:
    """Return the weight gradients' op that stores the sums over samples as they are."""
    return _dense_weights.make_dense_backward_weights(dtype, _store_sums)


def dense_backward_weights(dZ: Array, A: Array, positions: int = 1) -> tuple[Array, Array]:
    """Return the sums over samples ``dZ A^T`` and ``dZ 1``; see ``protocol.Backend``."""
    units, features, samples = len(dZ) // positions, len(A) // positions, dZ.shape[1]
    dtype = float_dtype(dZ)
    columns = max(features, 1)  # the op sums biases with the first panel of features
    sums = np.zeros(units * columns + units, dtype)
    if samples:
        run = OneOp(dtype, samples, units * positions, columns * positions + ROW_ALIGNMENT)
        run.put(0, dZ)
        if features:
            run.put(1, np.concatenate([A, np.zeros((ROW_ALIGNMENT, samples), dtype)]))
        width = VECTOR_BYTES // dtype.itemsize
        step = -(-columns // width) * width
        rows = np.zeros((run.blocks * BLOCK + 1, step * positions), dtype)
        run.over_blocks(dense.make_keep_rows, (), run[1], run.block_bytes, columns, rows.ctypes.data,
                        step * positions, positions)  # fmt: skip
        table = rows.ctypes.data + np.arange(len(rows), dtype=np.int64) * rows.strides[0]
        items = -(-columns // (TILE_VECTORS * width)) * -(-units // 4)
        finish = [sums.ctypes.data, 0, 0, 0, 0, 0, 0]
        run.over_items(make_sums, (), items, run[0], run.block_bytes, run.address(table, np.int64), units, columns, 0,
                       units * columns, 4, positions, step * dtype.itemsize, 0, *finish, *finish)  # fmt: skip
        if positions > 1:
            partials = np.zeros((run.blocks, units), dtype)
            run.over_blocks(make_position_sums, (), run[0], run.block_bytes, partials.ctypes.data, units, positions)
            sums[units * columns :] = combine_pairwise(list(partials))
    return sums[: units * columns].reshape(units, columns)[:, :features].copy(), sums[units * columns :].copy()


def activation_forward(activation: Activation, Z: Array, positions: int = 1) -> Array:
    """Return ``A = f(Z)``; see ``protocol.Backend``."""
    run = OneOp(float_dtype(Z), Z.shape[1], len(Z), len(Z))
    run.put(0, Z)
    run.over_blocks(
        activations.make_activation_forward,
        activations.arguments_forward(activation),
        run[0],
        run[1],
        run.block_bytes,
        len(Z),
        activations.last_constant(activation, positions),
    )
    return run.get(1)


def activation_backward(activation: Activation, Z: Array, A: Array, dA: Array, positions: int = 1) -> Array:
    """Return ``dZ``; see ``protocol.Backend``."""
    run = OneOp(float_dtype(Z), Z.shape[1], *[len(Z)] * 4)
    for tensor, x in enumerate((Z, A, dA)):
        run.put(tensor, x)
    run.over_blocks(
        activations.make_activation_backward,
        activations.arguments_backward(activation),
        run[0],
        run[1],
        run[2],
        run[3],
        run.block_bytes,
        len(Z),
        activations.last_constant(activation, positions),
    )
    return run.get(3)


def _loss(x: Array, Y: Array, weight: Array, result_rows: int, *more: Array) -> OneOp:
    """Return tensors that hold predictions, targets, weights, room for the result, and ``more``."""
    run = OneOp(float_dtype(x), x.shape[1], len(x), len(x), 1, result_rows, *(len(m) for m in more))
    for tensor, array in enumerate((x, Y, weight[None], None, *more)):
        if array is not None:
            run.put(tensor, array)
    return run


def loss_value(formula: Formula, mean: bool, delta: float | None, Y: Array, P: Array, weight: Array,
               positions: int = 1, K: Array | None = None) -> Array:  # fmt: skip
    """Return each sample's weighted loss; see ``protocol.Backend``."""
    masks = () if K is None else (K,)
    run = _loss(P, Y, weight, 1, *masks)
    divided, divisor = loss.divisor(mean, len(P), positions)
    run.over_blocks(loss.make_loss_value, (formula, divided, delta is not None, bool(masks)), run[0], run[1], run[2],
                    run[3], run.block_bytes, len(P), bits_of(delta or 0.0), divisor, len(P) // positions,
                    *(run[4] for _ in masks))  # fmt: skip
    result: Array = run.get(3)[0]
    return result


def loss_gradient(
    formula: Formula,
    mean: bool,
    delta: float | None,
    fused: bool,
    Y: Array,
    P: Array,
    A: Array,
    weight: Array,
    positions: int = 1,
) -> Array:
    """Return the gradient of each sample's weighted loss by P; see ``protocol.Backend``."""
    run = _loss(P, Y, weight, len(P), A)
    divided, divisor = loss.divisor(mean, len(P), positions)
    run.over_blocks(
        loss.make_loss_gradient,
        (formula, divided, delta is not None, fused),
        run[0],
        run[1],
        run[2],
        run[3],
        run.block_bytes,
        len(P),
        bits_of(delta or 0.0),
        divisor,
        run[4],
    )
    return run.get(3)


def softmax_crossentropy_value(Y: Array, Z: Array, weight: Array, positions: int = 1,
                               K: Array | None = None) -> Array:  # fmt: skip
    """Return ``-sum(y log softmax(z))`` per sample, weighted; see ``protocol.Backend``."""
    masks = () if K is None else (K,)
    run = _loss(Z, Y, weight, 1, *masks)
    run.over_blocks(loss.make_softmax_crossentropy_value, (bool(masks),), run[0], run[1], run[2], run[3],
                    run.block_bytes, len(Z) // positions, positions, *(run[4] for _ in masks))  # fmt: skip
    result: Array = run.get(3)[0]
    return result


def softmax_crossentropy_gradient(Y: Array, Z: Array, weight: Array, positions: int = 1) -> Array:
    """Return ``softmax(z) * sum(y) - y``, weighted; see ``protocol.Backend``."""
    run = _loss(Z, Y, weight, len(Z))
    run.over_blocks(loss.make_softmax_crossentropy_gradient, (positions > 1,), run[0], run[1], run[2], run[3],
                    run.block_bytes, len(Z) // positions, positions)  # fmt: skip
    return run.get(3)


def activity_penalty_value(l1: float, l2: float, A: Array, weight: Array, terms: Array) -> Array:
    """Return ``terms`` plus each sample's weighted penalty; see ``protocol.Backend``."""
    run = OneOp(float_dtype(A), A.shape[1], len(A), 1, 1)
    for tensor, x in enumerate((A, weight[None], terms[None])):
        run.put(tensor, x)
    run.over_blocks(penalty.make_activity_penalty_value, (), run[0], run[1], run[2], run.block_bytes, len(A),
                    bits_of(l1), bits_of(l2))  # fmt: skip
    result: Array = run.get(2)[0]
    return result


def activity_penalty_gradient(l1: float, l2: float, A: Array, weight: Array, dA: Array) -> Array:
    """Return ``dA`` plus the gradient of the weighted penalty; see ``protocol.Backend``."""
    run = OneOp(float_dtype(A), A.shape[1], len(A), 1, len(A))
    for tensor, x in enumerate((A, weight[None], dA)):
        run.put(tensor, x)
    run.over_blocks(
        penalty.make_activity_penalty_gradient,
        (),
        run[0],
        run[1],
        run[2],
        run.block_bytes,
        len(A),
        bits_of(l1),
        bits_of(l2),
    )
    return run.get(2)


def make_finish_gradient(dtype: Any, penalty: bool, clip: bool) -> Callable[..., None]:
    """Turn sums into gradients in place. One item. Operands: vector, elements, then those of ``finish``."""
    size = dtype().itemsize

    def finish_gradient(context, record, first_item, last_item, scratch):
        r = view(0, record + 8 * OPERANDS, 2)
        update.finish_gradient(dtype(0), size, context, record + 8 * (OPERANDS + 2), 0, r[0], r[1], penalty, clip)

    return finish_gradient


def _finish(g: Array, samples: int, penalty: bool, clip: bool, *finish: int, run: OneOp | None = None) -> Array:
    run = run or OneOp(float_dtype(g), samples)
    result = np.array(g, run.dtype, order="C")
    run.over_items(make_finish_gradient, (penalty, clip), 1, result.ctypes.data, result.size, *finish)
    return result


def mean_gradient(total: Array, samples: int) -> Array:
    """Return a sum over samples divided by their number; see ``protocol.Backend``."""
    return _finish(total, samples, False, False)


def add_penalty_gradient(g: Array, w: Array, l1: float, l2: float) -> Array:
    """Return ``g`` plus the gradient of the penalty; see ``protocol.Backend``."""
    run = OneOp(float_dtype(g), 1)
    return _finish(g, 1, True, False, 0, run.address(w), 0, 0, bits_of(l1 + 0.0), bits_of(l2 + 0.0), run=run)


def clip_by_value(g: Array, most: float) -> Array:
    """Return ``g`` held within ``[-most, most]``; see ``protocol.Backend``."""
    return _finish(g, 1, False, True, 0, 0, 0, 0, 0, 0, bits_of(most))


def clip_by_norm(g: Array, most: float) -> Array:
    """Return ``g`` scaled to norm ``most`` where its norm is greater; see ``protocol.Backend``."""
    run = OneOp(float_dtype(g), 1)
    result = np.array(g, order="C")
    parts = run.address([0, result.size], np.int64)
    run.over_items(update.make_clip_by_norm, (), 1, parts, result.ctypes.data, bits_of(most))
    return result


def penalty_sum(w: Array, l1: float, l2: float) -> Any:
    """Return the penalty of one parameter; see ``protocol.Backend``."""
    run = OneOp(float_dtype(w), 1)
    table = run.address([0, w.size, bits_of(l1), bits_of(l2)], np.int64)
    run.over_items(update.make_penalty_sum, (), 1, 1, table, run.address(w))
    return run.dtype.type(run.loss[1])


@entry
def _update_vectors(address, items, context, record, vectors, gradient, scalars):
    """Run ``vector_update`` on weights, row 0 of ``vectors``, and state, the rows below."""
    n, at = vectors.shape[1], vectors.ctypes.data
    context[SCALARS] = scalars.ctypes.data
    record[OPERANDS] = n
    record[OPERANDS + 1] = gradient.ctypes.data
    record[OPERANDS + 2] = at
    record[OPERANDS + 3] = at + n * vectors.itemsize
    record[OPERANDS + 4] = n
    call(address, context.ctypes.data, record.ctypes.data, 0, items, 0)


def optimizer_update(rule: UpdateRule, w: Array, g: Array, slots: tuple[Array, ...], scalars: Array) -> None:
    """Apply an update rule to weights and state in place; see ``protocol.Backend``."""
    dtype = float_dtype(w)
    address = op(update.make_vector_update, dtype.type, rule.update, len(slots), len(rule.scalar_names))
    context, record = np.zeros(CONTEXT_SIZE, np.int64), np.zeros(RECORD_SIZE, np.int64)
    vectors = np.array([w, *slots], dtype)
    gradient, constants = np.ascontiguousarray(g, dtype), np.ascontiguousarray(scalars, dtype)
    _update_vectors(address, -(-len(w) // update.CHUNK), context, record, vectors, gradient, constants)
    for target, new in zip((w, *slots), vectors, strict=True):
        target[...] = new


def sum_row(x: Array) -> Any:
    """Return the sum over samples of one number per sample; see ``protocol.Backend``."""
    run = OneOp(float_dtype(x), len(x), 1)
    run.put(0, x[None])
    if len(x):
        run.over_items(reduction.make_sum_losses, (), 1, run[0], run.block_bytes)
    return run.dtype.type(run.loss[0])


def _itself(x: Any, a: Any, b: Any) -> Any:
    return x


_sum_elements = make_sum_formula(_itself)


def make_sum_vector(dtype: Any) -> Callable[..., None]:
    """Store the sum of a vector by the contract's rule 4. One item.

    Operands: vector, elements, address of the result.
    """

    def sum_vector(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        r = view(0, record + 8 * OPERANDS, 3)
        partial = view(zero, scratch, VECTOR_LANES)
        view(zero, r[2], 1)[0] = _sum_elements(zero, view(zero, r[0], r[1]), r[1], partial, zero, zero)

    return sum_vector


def sum_vector(x: Array) -> Any:
    """Return the sum of all elements; see ``protocol.Backend``."""
    run = OneOp(float_dtype(x), 1)
    result = np.zeros(1, run.dtype)
    run.over_items(make_sum_vector, (), 1, run.address(x), x.size, result.ctypes.data)
    return result[0]
