"""Workers that share regions run every item once, in every phase, whoever is late."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn.backends.numba_backend import _layout, _team, walker
from fastnn.backends.numba_backend._atomic import atomic_add
from fastnn.backends.numba_backend._layout import OPERANDS
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._ops import op

pytestmark = pytest.mark.needs_jit

STEPS, WORKERS, BATCH = 150, 3, 70
BLOCK_SIZE, TILES_ITEMS, SECONDS = 16, (37, 5), 60


def make_count(dtype):
    """Operand: counters, one for each item. Takes longer for some items than for others."""

    def count(context, record, first, last, scratch):
        at = view(0, record + 8 * OPERANDS, 2)
        if at[1]:  # a block: the second number is where its memory lies
            last = first + 1
        for item in range(first, last):
            for _ in range(1 + item % 3 * 40):
                atomic_add(at[0] + 8 * item, 1)
                atomic_add(at[0] + 8 * item, -1)
            atomic_add(at[0] + 8 * item, 1)

    return count


def test_every_item_is_run_once_in_every_phase():
    address = op(make_count, np.float64)
    blocks = -(-BATCH // BLOCK_SIZE)
    counters = [np.zeros(n, np.int64) for n in (blocks, *TILES_ITEMS, blocks, blocks, 3)]
    is_block = (1, 0, 0, 1, 0, 0)
    rows = [
        _layout.record_row(address, len(c), c.ctypes.data, block, cost=1 + number)
        for number, (c, block) in enumerate(zip(counters, is_block, strict=True))
    ]
    records = np.array(rows, np.int64)
    never = 1 << 40
    regions = np.array([[_layout.BLOCKS, 0, 1, 0, 1], [_layout.TILES, 1, 2, 0, 0], [_layout.CHAIN, 3, 2, 0, 1],
                        [_layout.TILES, 5, 1, never, 0]], np.int64)  # fmt: skip
    context = np.zeros(_layout.CONTEXT_SIZE, np.int64)
    context[_layout.PER_BLOCK], context[_layout.SAMPLES] = BLOCK_SIZE, BATCH
    team = np.zeros(_team.TEAM_BYTES // 8 + 8, np.int64)
    at = -(-team.ctypes.data // 64) * 64
    losses = np.zeros((STEPS, 2))
    shared = (at, regions, records, records.ctypes.data, context, context.ctypes.data, STEPS, BATCH, BATCH, 0, 0,
              losses.ctypes.data, 0)  # fmt: skip

    walker.work(*shared[:6], 0, *shared[7:], 0, WORKERS)  # compiles: no step to make
    threads = [threading.Thread(target=walker.work, args=(*shared, w, WORKERS), daemon=True) for w in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads), "the workers wait for one another"
    for c in counters:
        assert (c == STEPS).all(), c


def test_a_worker_that_is_late_by_a_phase_claims_nothing():
    records = np.array([_layout.record_row(0, 9)], np.int64)
    region = np.array([_layout.TILES, 0, 1, 0, 0], np.int64)
    team = np.zeros(_team.TEAM_BYTES // 8, np.int64)

    def claim(phase, worker):
        return _team.claim(team.ctypes.data, phase, region, records, 64, 64, 2, False, worker, 0)

    team[0] = 1
    assert claim(1, 0) == (0, 1)
    before = team.copy()
    for worker in (0, 1):
        first, last = claim(0, worker)
        assert first == last, "items of a phase that is over"
    assert_same_bits(team, before)
    found = [item for worker in (1, 0) * 20 for item in range(*claim(1, worker))]
    assert sorted(found) == list(range(1, 9))
