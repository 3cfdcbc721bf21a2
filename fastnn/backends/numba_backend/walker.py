"""Walks a program: calls ops by address, region by region, step by step.

Compiled once for all networks, dtypes and devices of one machine: an op is an address in a table, so a new
architecture or a new op recompiles nothing here. The parallel walker launches each region once over as many workers as
there are threads; a region too small to pay for a launch (about 1.3 us) runs on the calling thread.
"""

from __future__ import annotations

from numba import prange

from fastnn.backends.numba_backend._jit import entry, inner
from fastnn.backends.numba_backend._layout import (
    ADDRESS,
    BLOCK,
    CONTEXT_SIZE,
    COST,
    FIRST,
    FIRST_OP,
    ITEMS,
    KIND,
    LOSS,
    OP_COUNT,
    PARALLEL_FROM,
    REUSE,
    SAMPLES,
    SCALARS,
    SCRATCH_BYTES,
    TILES,
)
from fastnn.backends.numba_backend._memory import call


@inner
def run_worker(region, records, records_at, context_at, samples, worker, workers, scratch):
    """Run one worker's share of a region: consecutive blocks, or consecutive items of every op."""
    width = records.shape[1] * 8
    first_op, last_op = region[FIRST_OP], region[FIRST_OP] + region[OP_COUNT]
    if region[KIND] == TILES:
        total = 0
        for o in range(first_op, last_op):
            total += records[o, ITEMS] * records[o, COST]
        start, stop = total * worker // workers, total * (worker + 1) // workers
        before = 0
        for o in range(first_op, last_op):
            # an item belongs to the worker in whose stretch of the work it starts
            items, cost = records[o, ITEMS], records[o, COST]
            first = min(items, max(0, (start - before + cost - 1) // cost))
            last = min(items, max(0, (stop - before + cost - 1) // cost))
            if first < last:
                call(records[o, ADDRESS], context_at, records_at + o * width, first, last, scratch)
            before += items * cost
    else:
        blocks = (samples + BLOCK - 1) // BLOCK
        for block in range(blocks * worker // workers, blocks * (worker + 1) // workers):
            store = worker if region[KIND] == REUSE else block
            for o in range(first_op, last_op):
                call(records[o, ADDRESS], context_at, records_at + o * width, block, store, scratch)


@inner
def start_step(context, step, first, batch, total, scalars, scalar_bytes, losses):
    """Write what changes with the step into the context; return the number of its samples."""
    samples = min(batch, total - first)
    context[SAMPLES] = samples
    context[FIRST] = first
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
            run_worker(regions[region], records, records_at, context_at, samples, 0, 1, scratch)
        first += samples
        if first >= total:
            first = 0


def run_steps_parallel(regions, records, records_at, context, context_at, steps, first, batch, total, scalars,
                       scalar_bytes, losses, scratch, workers):  # fmt: skip
    """Run ``steps`` steps, each region over ``workers`` threads where it pays."""
    for step in range(steps):
        samples = start_step(context, step, first, batch, total, scalars, scalar_bytes, losses)
        for region in range(regions.shape[0]):
            if samples < regions[region, PARALLEL_FROM]:
                run_worker(regions[region], records, records_at, context_at, samples, 0, 1, scratch)
            else:
                for worker in prange(workers):
                    run_worker(regions[region], records, records_at, context_at, samples, worker, workers,
                               scratch + worker * SCRATCH_BYTES)  # fmt: skip
        first += samples
        if first >= total:
            first = 0


run_steps_parallel = entry(run_steps_parallel, parallel=True)
assert CONTEXT_SIZE == 16
