"""Walks a program: calls ops by address, region by region, step by step.

Compiled once for all networks and dtypes: an op is an address in a table, so a new architecture or a new op
recompiles nothing here. A parallel run is one launch for all its steps. A region is divided into a share for each
worker, claimed in a common word; whoever finishes a region's last share opens the next region. A worker claims its own
share, so that a core finds in its cache what it wrote there a step ago, and another's only if that one is late: then
its core is busy with something else, and nobody is held up for longer than the share it has taken. So a run is right,
if slower, even when one thread does everything. (784-128-10 on two cores, another process on one of them: 2300 us a
step by a launch per region, 500-900 this way.) Which worker takes a share changes no bit.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastnn.backends.numba_backend._atomic import (
    SPINS,
    atomic_add,
    atomic_load,
    atomic_replace,
    atomic_store,
    give_way,
)
from fastnn.backends.numba_backend._jit import entry, inner
from fastnn.backends.numba_backend._layout import (
    ADDRESS,
    BLOCK,
    BLOCK_BYTES,
    CHAIN,
    CONTEXT_SIZE,
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
    SAMPLE_BYTES,
    SAMPLES,
    SCALARS,
    SCRATCH_BYTES,
    STEP,
    TILES,
)
from fastnn.backends.numba_backend._memory import call, view

MOST_SHARES = 32
"""Shares of a region: one for each worker, as many as the common word has bits for."""

ALL_TAKEN = (1 << MOST_SHARES) - 1

PATIENCE = 400
"""Looks before a worker takes another's share: by then that worker is late, its core busy with something else."""

TEAM_BYTES, FINISHED = 128, 64
"""The team's memory: one word, (phase << 32) + a bit for each share taken, and, a cache line on, the number of shares
finished."""


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
        return
    blocks = (samples + per - 1) // per
    start, stop = blocks * share // shares, blocks * (share + 1) // shares
    if region[KIND] == CHAIN:
        for o in range(first_op, last_op):
            call(records[o, ADDRESS], context_at, records_at + o * width, start, stop, scratch)
    else:
        context = view(0, context_at, CONTEXT_SIZE)
        for block in range(start, stop):
            if region[KIND] == REUSE:
                base = worker * context[BLOCK_BYTES]
            else:
                base = block * per // BLOCK * context[BLOCK_BYTES] + block * per % BLOCK * context[SAMPLE_BYTES]
            for o in range(first_op, last_op):
                call(records[o, ADDRESS], context_at, records_at + o * width, block, base, scratch)


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
    most = min(workers, MOST_SHARES)
    if region[KIND] == TILES:
        return most
    return min(most, (samples + per - 1) // per)


@inner
def free_share(kind, taken, shares, worker, spins):
    """Return the share that a worker should claim now, or -1."""
    if shares == 1:
        return 0 if taken == 0 else -1
    if worker < shares and not (taken >> worker) & 1:
        below = (1 << worker) - 1
        # a share of a chain waits for those below it, so somebody must have claimed them
        if kind != CHAIN or taken & below == below:
            return worker
    if spins > PATIENCE:
        for share in range(shares):
            if not (taken >> share) & 1:
                return share
    return -1


@inner
def work(team, regions, records, records_at, context, context_at, steps, batch, total, scalars, scalar_bytes, losses,
         scratch, worker, workers):  # fmt: skip
    """Claim shares until the last phase is finished. A phase is one region of one step.

    invariant: while a share of a phase is taken and not finished, the phase stays; the context holds its step.
    """
    count = regions.shape[0]
    spins, seen = 0, -1
    while True:
        word = atomic_load(team)
        phase = word >> 32
        if phase >= steps * count:
            return
        if phase != seen:
            spins, seen = 0, phase
        region = regions[phase % count]
        # the context is that of this phase, or the exchange below fails
        samples = context[SAMPLES]
        shares = shares_of(region, samples, context[PER_BLOCK], workers)
        share = free_share(region[KIND], word & ALL_TAKEN, shares, worker, spins)
        if share >= 0 and atomic_replace(team, word, word | (1 << share)):
            run_share(
                region, records, records_at, context_at, samples, context[PER_BLOCK], share, shares, worker, scratch
            )
            if atomic_add(team + FINISHED, 1) + 1 == shares:
                # nobody may claim by the next step's context a share of this phase
                atomic_store(team, (phase << 32) | ALL_TAKEN)
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
    for i in prange(workers):
        worker = np.int64(i)  # prange counts in uint64, which meets int64 in float64
        work(team, regions, records, records_at, context, context_at, steps, batch, total, scalars, scalar_bytes,
             losses, scratch + worker * SCRATCH_BYTES, worker, workers)  # fmt: skip


run_steps_parallel = entry(run_steps_parallel, parallel=True)
