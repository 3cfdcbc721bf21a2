"""Walks a program: calls ops by address, region by region, step by step.

Compiled once for all networks and dtypes: an op is an address in a table, so a new architecture or a new op
recompiles nothing here. A parallel run is one launch for all its steps. The workers take shares of the current region,
one after another, from a common word; whoever finishes a region's last share opens the next region. So a worker whose
core is busy with something else holds nobody up for longer than the share it has taken, and a run is right, if slower,
even when one thread does everything. (784-128-10 on two cores, another process on one of them: 2300 us
a step by a launch per region, 500-900 this way.) Which worker takes a share changes no bit.
"""

from __future__ import annotations

from numba import prange

from fastnn.backends.numba_backend._atomic import (
    atomic_add,
    atomic_load,
    atomic_replace,
    atomic_store,
    give_way,
)
from fastnn.backends.numba_backend._jit import entry, inner
from fastnn.backends.numba_backend._layout import (
    ADDRESS,
    COST,
    FIRST,
    FIRST_OP,
    ITEMS,
    KIND,
    LOSS,
    OP_COUNT,
    PARALLEL_FROM,
    PER_BLOCK,
    REUSE,
    SAMPLES,
    SCALARS,
    SCRATCH_BYTES,
    STEP,
    TILES,
)
from fastnn.backends.numba_backend._memory import call, view

SHARES_PER_WORKER = 1
"""Shares of a region for each worker. More would even out better, and move more memory from core to core: with 4, a
step of 4-32-32-1 takes 117 us on two cores, with 1 it takes 98."""

SPINS = 2000
"""Looks at the common word before giving way: a few microseconds."""

TEAM_BYTES, FINISHED = 128, 64
"""The team's memory: one word, (phase << 32) + shares taken, and, a cache line on, the number of shares finished."""


@inner
def run_share(region, records, records_at, context_at, samples, per, share, shares, worker, scratch):
    """Run one of ``shares`` equal parts of a region: consecutive blocks, or consecutive items of every op."""
    width = records.shape[1] * 8
    first_op, last_op = region[FIRST_OP], region[FIRST_OP] + region[OP_COUNT]
    if region[KIND] == TILES:
        total = 0
        for o in range(first_op, last_op):
            total += records[o, ITEMS] * records[o, COST]
        start, stop = total * share // shares, total * (share + 1) // shares
        before = 0
        for o in range(first_op, last_op):
            # an item belongs to the share in whose stretch of the work it starts
            items, cost = records[o, ITEMS], records[o, COST]
            first = min(items, max(0, (start - before + cost - 1) // cost))
            last = min(items, max(0, (stop - before + cost - 1) // cost))
            if first < last:
                call(records[o, ADDRESS], context_at, records_at + o * width, first, last, scratch)
            before += items * cost
    else:
        blocks = (samples + per - 1) // per
        for block in range(blocks * share // shares, blocks * (share + 1) // shares):
            store = worker if region[KIND] == REUSE else block
            for o in range(first_op, last_op):
                call(records[o, ADDRESS], context_at, records_at + o * width, block, store, scratch)


@inner
def start_step(context, step, first, batch, total, scalars, scalar_bytes, losses):
    """Write what changes with the step into the context; return the number of its samples."""
    samples = min(batch, total - first)
    context[SAMPLES] = samples
    context[FIRST] = first
    context[STEP] += 1
    context[SCALARS] = scalars + step * scalar_bytes
    context[LOSS] = losses + 16 * step  # the sum of losses and the penalty
    return samples


@entry
def run_steps(regions, records, records_at, context, context_at, steps, first, batch, total, scalars, scalar_bytes,
              losses, scratch):  # fmt: skip
    """Run ``steps`` steps on the calling thread; an epoch's end wraps to its start."""
    for step in range(steps):
        samples = start_step(context, step, first, batch, total, scalars, scalar_bytes, losses)
        for region in range(regions.shape[0]):
            run_share(regions[region], records, records_at, context_at, samples, context[PER_BLOCK], 0, 1, 0, scratch)
        first += samples
        if first >= total:
            first = 0


@inner
def shares_of(region, samples, per, workers):
    """Return into how many shares a region is divided: one where a launch would not pay."""
    if samples < region[PARALLEL_FROM]:
        return 1
    most = workers * SHARES_PER_WORKER
    if region[KIND] == TILES:
        return most
    return min(most, (samples + per - 1) // per)


@inner
def work(team, regions, records, records_at, context, context_at, steps, batch, total, scalars, scalar_bytes, losses,
         scratch, worker, workers):  # fmt: skip
    """Take shares until the last phase is finished. A phase is one region of one step.

    invariant: while a share of a phase is taken and not finished, the phase stays; the context holds its step.
    """
    count = regions.shape[0]
    spins = 0
    while True:
        word = atomic_load(team)
        phase, share = word >> 32, word & 0xFFFFFFFF
        if phase >= steps * count:
            return
        region = regions[phase % count]
        # a stale context is harmless: the exchange below fails unless the phase is still this one
        samples = context[SAMPLES]
        shares = shares_of(region, samples, context[PER_BLOCK], workers)
        if share < shares and atomic_replace(team, word, word + 1):
            spins = 0
            run_share(
                region, records, records_at, context_at, samples, context[PER_BLOCK], share, shares, worker, scratch
            )
            if atomic_add(team + FINISHED, 1) + 1 == shares:
                atomic_store(team + FINISHED, 0)
                phase += 1
                if phase % count == 0 and phase < steps * count:
                    first = context[FIRST] + samples
                    if first >= total:
                        first = 0
                    start_step(context, phase // count, first, batch, total, scalars, scalar_bytes, losses)
                atomic_store(team, phase << 32)
        else:
            spins += 1
            if spins > SPINS:
                give_way()


def run_steps_parallel(regions, records, records_at, context, context_at, steps, first, batch, total, scalars,
                       scalar_bytes, losses, scratch, team, workers):  # fmt: skip
    """Run ``steps`` steps over ``workers`` threads; ``team`` is the address of ``TEAM_BYTES`` of memory."""
    shared = view(0, team, TEAM_BYTES // 8)
    shared[:] = 0
    start_step(context, 0, first, batch, total, scalars, scalar_bytes, losses)
    for worker in prange(workers):
        work(team, regions, records, records_at, context, context_at, steps, batch, total, scalars, scalar_bytes,
             losses, scratch + worker * SCRATCH_BYTES, worker, workers)  # fmt: skip


run_steps_parallel = entry(run_steps_parallel, parallel=True)
