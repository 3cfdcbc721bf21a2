"""Block sums combined pairwise, neighbours first (rule 3 of the contract): for everything that sums over samples."""

from __future__ import annotations

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._memory import view


@inner
def add_pairwise(zero, to, level_bytes, n, finished):
    """Fold block sums pairwise, neighbours first: sum ``finished`` lies at ``to``, older ones wait in levels above it.

    Works like a binary counter: level l holds the sum of 2^l blocks when bit l of the count of finished blocks is set.
    Returns nothing; the sum of the new block ends in the lowest free level.
    """
    new = view(zero, to, n)
    level = 0
    while (finished >> level) & 1:
        old = view(zero, to + (level + 1) * level_bytes, n)
        for i in range(n):
            new[i] = old[i] + new[i]
        level += 1
    kept = view(zero, to + (level + 1) * level_bytes, n)
    for i in range(n):
        kept[i] = new[i]


@inner
def finish_pairwise(zero, to, level_bytes, n, count):
    """Combine the waiting levels of ``count`` blocks, smallest first, into ``to``."""
    total = view(zero, to, n)
    started = False
    level = 0
    while count >> level:
        if (count >> level) & 1:
            old = view(zero, to + (level + 1) * level_bytes, n)
            if started:
                for i in range(n):
                    total[i] = old[i] + total[i]
            else:
                for i in range(n):
                    total[i] = old[i]
                started = True
        level += 1
