"""How a team of workers shares the items of a region: each begins with a stretch of its own, then helps the others.

A worker takes items from the front of its stretch, so that a core finds in its cache what it wrote there a step ago;
when it has none left it takes half of what another still has, from the back. So a region ends for all at nearly the
same time, also where one core is busy with something else, and a run is right, if slower, even when one thread does
everything. Items of a region that is not worth sharing, and of a chain, whose stretches wait for one another, are whole
shares: these are taken over only if their worker is late.

The team's memory is a word with the number of the phase (one region of one step), one with the number of its items that
are finished, and for each worker one with what is left of its stretch, (tag << 40) + (next << 20) + end, each on a
cache line of its own. The tag is the phase's: whoever first needs a worker's word in a phase writes its stretch there.
"""

from __future__ import annotations

from fastnn.backends.numba_backend._atomic import CACHE_LINE, atomic_load, atomic_replace
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import (
    CHAIN,
    COST,
    FIRST_OP,
    ITEMS,
    KIND,
    OP_COUNT,
    PARALLEL_FROM,
    TILES,
)

MOST_SHARES = 32
"""Most workers that have a stretch of their own."""

PATIENCE = 400
"""Looks before a worker takes another's whole share: by then that worker is late, its core busy with something else."""

TAKEN_AT_ONCE = 8
"""A worker takes this part of what is left of its stretch, or one item."""

FINISHED, WORDS = CACHE_LINE, 2 * CACHE_LINE
"""Where the number of finished items and the workers' words lie."""

TEAM_BYTES = WORDS + MOST_SHARES * CACHE_LINE

CLOSED = -1
"""The phase between two phases."""

_BITS = 20
_MOST_ITEMS = (1 << _BITS) - 1
_TAGS = (1 << 23) - 1


@inner
def items_of(region, records, samples, per):
    """Return the number of a region's items: blocks, or the ops' own, one op's behind the other's."""
    if region[KIND] != TILES:
        return (samples + per - 1) // per
    items = 0
    for o in range(region[FIRST_OP], region[FIRST_OP] + region[OP_COUNT]):
        items += records[o, ITEMS]
    return items


@inner
def shares_of(region, samples, per, workers):
    """Return among how many workers a region is divided: one where a launch would not pay."""
    if samples < region[PARALLEL_FROM]:
        return 1
    most = min(workers, MOST_SHARES)
    if region[KIND] == TILES:
        return most
    return min(most, (samples + per - 1) // per)


@inner
def is_whole(region, items, shares):
    """Whether a region's workers claim whole shares."""
    return shares == 1 or region[KIND] == CHAIN or items > _MOST_ITEMS


@inner
def items_before(region, records, samples, per, share, shares):
    """Return how many items stand before a share: equal numbers of blocks, or of items by their cost."""
    first_op, last_op = region[FIRST_OP], region[FIRST_OP] + region[OP_COUNT]
    if region[KIND] != TILES:
        return (samples + per - 1) // per * share // shares
    total = 0
    for o in range(first_op, last_op):
        total += records[o, ITEMS] * records[o, COST]
    start, before, found = total * share // shares, 0, 0
    for o in range(first_op, last_op):
        # an item belongs to the share in whose stretch of the work it starts
        items, cost = records[o, ITEMS], records[o, COST]
        found += min(items, max(0, (start - before + cost - 1) // cost))
        before += items * cost
    return found


@inner
def _word_of(team, phase, region, records, samples, per, shares, whole, worker):
    """Return a worker's word in a phase, written if nobody has needed it yet; 0, no items, if the phase is over."""
    at = team + WORDS + worker * CACHE_LINE
    tag = (phase + 1) & _TAGS
    word = atomic_load(at)
    if word >> (2 * _BITS) == tag:
        return word
    # a word seen before the phase is seen to go on belongs to an earlier one, or is replaced by nobody below
    if atomic_load(team) != phase:
        return 0
    first, last = worker, worker + 1
    if not whole:
        first = items_before(region, records, samples, per, worker, shares)
        last = items_before(region, records, samples, per, worker + 1, shares)
    mine = (tag << (2 * _BITS)) | (first << _BITS) | last
    if atomic_replace(at, word, mine):
        return mine
    word = atomic_load(at)
    return word if word >> (2 * _BITS) == tag else 0


@inner
def _take(team, worker, word, count, from_front):
    """Try to take ``count`` items of a worker's stretch; return the first and the one past the last."""
    first, last = (word >> _BITS) & _MOST_ITEMS, word & _MOST_ITEMS
    if from_front:
        left, first, last = word + (count << _BITS), first, first + count
    else:
        left, first = word - count, last - count
    if atomic_replace(team + WORDS + worker * CACHE_LINE, word, left):
        return first, last
    return 0, 0


@inner
def _left(word):
    """Return how many items are left of a stretch."""
    return (word & _MOST_ITEMS) - ((word >> _BITS) & _MOST_ITEMS)


@inner
def claim(team, phase, region, records, samples, per, shares, whole, worker, spins):
    """Return (first, last) of items that are the worker's from now on, none where they are equal.

    With ``whole``, items are shares. What is returned counts only if the phase is still the same.
    """
    if worker < shares:
        word = _word_of(team, phase, region, records, samples, per, shares, whole, worker)
        left = _left(word)
        if left > 0:
            if region[KIND] == CHAIN:
                # a share of a chain waits for those below it, so somebody must have claimed them
                for other in range(worker):
                    if _left(_word_of(team, phase, region, records, samples, per, shares, whole, other)) > 0:
                        left = 0
            if left > 0:
                return _take(team, worker, word, max(1, left // TAKEN_AT_ONCE), True)
    if not whole or spins > PATIENCE:
        for other in range(shares):
            if other != worker or whole:
                word = _word_of(team, phase, region, records, samples, per, shares, whole, other)
                left = _left(word)
                if left > 0:
                    return _take(team, other, word, (left + 1) // 2, False)
    return 0, 0
