"""The arithmetic contract: what every bit of a result is, whichever backend computed it.

1. Every elementary operation is an IEEE-754 binary32 or binary64 add, subtract, multiply, divide or
   square root, rounded once. Nothing is fused, reassociated or flushed to zero.
2. A sum over features starts from the bias (or +0) and adds products in ascending index order:
   ``z = b; for k: z = z + W[i, k] * A[k, j]``. The gradient that flows back does the same over units:
   ``d = +0; for i: d = d + W[i, k] * dZ[i, j]``.
3. A sum over samples starts from +0 and adds the samples in order within blocks of ``SAMPLE_BLOCK``
   consecutive samples of the minibatch; block sums are combined pairwise, neighbours first, a missing
   right neighbour passing through (``combine_pairwise``). Division by the number of samples comes after
   the sum. Where a sample contributes many terms (the places of a convolution, the positions of a sequence), each
   sample's are added first, in order from +0, and then the samples, likewise but within groups of ``SAMPLE_GROUP``;
   only products for the weights of a dense or recurrent layer are added position by position, within a position
   sample by sample, within such groups.
4. A sum over all elements of a parameter vector (a norm, a weight penalty) keeps ``VECTOR_LANES`` partial
   sums, element ``e`` going to partial sum ``e % VECTOR_LANES`` in ascending order; the partial sums are
   combined pairwise like the blocks of samples.
5. exp, log, tanh and their kin are the straight-line sequences in ``fastnn.formulas``, evaluated by NumPy on
   arrays and compiled by Numba on scalars from one text.
6. Random numbers come from a counter-based generator keyed by (seed, purpose, step, layer, element).
7. No result goes through ``np.dot``, ``@``, ``np.einsum``, ``np.sum``, ``np.mean``, ``np.exp``, ``np.random`` or
   their kin: their bits differ from CPU to CPU. ``tests/test_contract.py`` enforces it.

Identical means the same raw bits, dtype and shape; only NaN payloads are exempt.
"""

from __future__ import annotations

from typing import TypeVar

SAMPLE_BLOCK = 1024
"""Samples whose terms are added one after another before block sums are combined (rule 3)."""

SAMPLE_GROUP = 16
"""Samples of a group where a sample contributes many terms (rule 3)."""

VECTOR_LANES = 64
"""Partial sums of a reduction over a parameter vector (rule 4)."""

T = TypeVar("T")


def combine_pairwise(parts: list[T]) -> T:
    """Combine partial sums as rules 3 and 4 say: neighbours first, a missing right neighbour passing through.

    Parameters
    ----------
    parts : list
        At least one partial sum (scalars or arrays that know ``+``), in order.
    """
    while len(parts) > 1:
        pairs = [parts[i] + parts[i + 1] for i in range(0, len(parts) - 1, 2)]  # type: ignore[operator]
        parts = pairs + parts[len(parts) & ~1 :]
    return parts[0]
