"""Walks a program: calls ops by address, region by region, step by step.

Compiled once for all networks and dtypes: an op is an address in a table, so a new architecture or a new op
recompiles nothing here. A parallel run is one launch for all its steps; ``_team.py`` says how workers share a region's
items. (784-128-10 on two cores, another process on one of them: 2300 us a step by a launch per region, 500-900 this
way.) Which worker runs an item changes no bit.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._atomic import SPINS, atomic_add, atomic_load, atomic_store, give_way
from fastnn.backends.numba_backend._jit import dispatcher_of, entry, inner
from fastnn.backends.numba_backend._layout import (
    ADDRESS,
    BLOCK,
    BLOCK_BYTES,
    BLOCK_OPS,
    CONTEXT_SIZE,
    FIRST,
    FIRST_OP,
    ITEMS,
    KIND,
    LOSS,
    OP_COUNT,
    PER_BLOCK,
    RECORD_SIZE,
    REGION_SIZE,
    REUSE,
    SAMPLE_BYTES,
    SAMPLES,
    SCALARS,
    SCRATCH_BYTES,
    STEP,
    TILES,
)
from fastnn.backends.numba_backend._memory import call, table, view
from fastnn.backends.numba_backend._ops import call_op, is_planning, op
from fastnn.backends.numba_backend._team import (
    CLOSED,
    FINISHED,
    TEAM_BYTES,
    claim,
    is_whole,
    items_before,
    items_of,
    shares_of,
)

Array = np.ndarray[Any, Any]

prange = range


@inner
def run_items(region, records, records_at, context_at, per, first, last, worker, scratch):
    """Run items ``first`` to ``last - 1`` of a region: blocks, or the ops' own items, one op's behind the other's."""
    width = records.shape[1] * 8
    first_op, last_op = region[FIRST_OP], region[FIRST_OP] + region[OP_COUNT]
    if region[KIND] == TILES:
        before = 0
        for o in range(first_op, last_op):
            items = records[o, ITEMS]
            start, stop = max(0, first - before), min(items, last - before)
            if start < stop:
                call(records[o, ADDRESS], context_at, records_at + o * width, start, stop, scratch)
            before += items
    else:
        context, middle = view(0, context_at, CONTEXT_SIZE), first_op + region[BLOCK_OPS]
        for block in range(first, last):
            if region[KIND] == REUSE:
                base = worker * context[BLOCK_BYTES]
            else:
                base = block * per // BLOCK * context[BLOCK_BYTES] + block * per % BLOCK * context[SAMPLE_BYTES]
            for o in range(first_op, middle):
                call(records[o, ADDRESS], context_at, records_at + o * width, block, base, scratch)
        for o in range(middle, last_op):
            call(records[o, ADDRESS], context_at, records_at + o * width, first, last, scratch)


@inner
def run_region(region, records, records_at, context_at, samples, per, scratch):
    """Run a whole region on the calling thread: ``run_items`` without what steps of half a microsecond would feel."""
    width, kind = records.shape[1] * 8, region[KIND]
    first_op, last_op = region[FIRST_OP], region[FIRST_OP] + region[OP_COUNT]
    blocks = (samples + per - 1) // per
    if kind == TILES:
        for o in range(first_op, last_op):
            call(records[o, ADDRESS], context_at, records_at + o * width, 0, records[o, ITEMS], scratch)
    else:
        context, middle = view(0, context_at, CONTEXT_SIZE), first_op + region[BLOCK_OPS]
        for block in range(blocks):
            base = 0
            if kind != REUSE:
                base = block * per // BLOCK * context[BLOCK_BYTES] + block * per % BLOCK * context[SAMPLE_BYTES]
            for o in range(first_op, middle):
                call(records[o, ADDRESS], context_at, records_at + o * width, block, base, scratch)
        for o in range(middle, last_op):
            call(records[o, ADDRESS], context_at, records_at + o * width, 0, blocks, scratch)


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


JOB = 16
"""Words of a job: what the op below is told. In their order: regions, their number, records, context, steps,
first, batch, total, scalars, bytes between a step's and the next's, losses, scratch, team."""


@inner
def tables(job):
    """Return the regions, the records (as many as there are) and the context of a job."""
    regions = table(0, job[0], job[1], REGION_SIZE)
    count = 0
    for region in range(job[1]):
        count = max(count, regions[region, FIRST_OP] + regions[region, OP_COUNT])
    records = table(0, job[2], count, RECORD_SIZE)
    return regions, records, view(0, job[3], CONTEXT_SIZE)


@inner
def work(team, regions, records, records_at, context, context_at, steps, batch, total, scalars, scalar_bytes, losses,
         scratch, worker, workers):  # fmt: skip
    """Claim and run items until the last phase is finished. A phase is one region of one step.

    invariant: while an item of a phase is claimed and not counted as finished, the phase stays; the context holds its
    step.
    """
    count = regions.shape[0]
    spins, done, seen = 0, 0, CLOSED
    while True:
        phase = atomic_load(team)
        if phase >= steps * count:
            return
        if phase != seen:
            spins, done, seen = 0, 0, phase
        if phase != CLOSED:
            region = regions[phase % count]
            # the context is that of this phase, or the claim below fails
            samples, per = context[SAMPLES], context[PER_BLOCK]
            shares = shares_of(region, samples, per, workers)
            items = items_of(region, records, samples, per)
            whole = is_whole(region, items, shares)
            first, last = claim(team, phase, region, records, samples, per, shares, whole, worker, spins)
            if first < last and atomic_load(team) == phase:
                done += last - first
                if whole:
                    first = items_before(region, records, samples, per, first, shares)
                    last = items_before(region, records, samples, per, last, shares)
                run_items(region, records, records_at, context_at, per, first, last, worker, scratch)
                continue
            if done > 0:
                finished, done = atomic_add(team + FINISHED, done) + done, 0
                if finished == (shares if whole else items):
                    # nobody may claim by the next step's context an item of this phase
                    atomic_store(team, CLOSED)
                    atomic_store(team + FINISHED, 0)
                    phase += 1
                    if phase % count == 0 and phase < steps * count:
                        first = context[FIRST] + samples
                        if first >= total:
                            first = 0
                        start_step(context, phase // count, first, batch, total, scalars, scalar_bytes, losses)
                    atomic_store(team, phase)
                    continue
        spins += 1
        if spins > SPINS:
            give_way()


def make_walk() -> Callable[..., None]:
    """Run a job's steps on the calling thread, an epoch's end wrapping to its start; or start them, or take part.

    The second word is which worker, the third how many there are: 0 for all on this thread, -1 for writing the first
    step into the context. One op, since what it is compiled from is the same.
    """

    def walk(job_at, worker, workers, unused1, unused2):
        job = view(0, job_at, JOB)
        regions, records, context = tables(job)
        if workers > 0:
            work(job[12], regions, records, job[2], context, job[3], job[4], job[6], job[7], job[8], job[9], job[10],
                 job[11] + worker * SCRATCH_BYTES, worker, workers)  # fmt: skip
            return
        first, steps = job[5], job[4] if workers == 0 else 1
        for step in range(steps):
            samples = start_step(context, step, first, job[6], job[7], job[8], job[9], job[10])
            if workers == 0:
                for region in range(job[1]):
                    run_region(regions[region], records, job[2], job[3], samples, context[PER_BLOCK], job[11])
            first += samples
            if first >= job[7]:
                first = 0

    return walk


def ask_for_ops() -> None:
    """Let what the functions below call be compiled with other ops; see ``_ops.together``."""
    op(make_walk)


class Job:
    """What ``make_walk`` is told, in memory; its tables and its context stay where they are.

    Parameters
    ----------
    regions, records : ndarray (R, REGION_SIZE), (O, RECORD_SIZE) of int64
    context : ndarray (CONTEXT_SIZE,) of int64
    """

    _STEPS = struct.Struct("8q")
    _TEAM = struct.Struct("q")

    def __init__(self, regions: Array, records: Array, context: Array) -> None:
        self._kept = regions, records, context
        self._words = np.zeros(JOB, np.int64)
        self._words[:4] = regions.ctypes.data, len(regions), records.ctypes.data, context.ctypes.data
        self._buffer = self._words.data
        self.at = int(self._words.ctypes.data)

    def steps(self, steps: int, first: int, batch: int, total: int, scalars: int, scalar_bytes: int, losses: int,
              scratch: int) -> None:  # fmt: skip
        """Say what the next run does; losses, scratch and scalars by their addresses."""
        # packed: an assignment to a slice takes 0.5 us longer
        self._STEPS.pack_into(self._buffer, 32, steps, first, batch, total, scalars, scalar_bytes, losses, scratch)

    def team(self, team: int) -> None:
        """Say where the memory of the team lies."""
        self._TEAM.pack_into(self._buffer, 96, team)


def run_steps(job: Job) -> None:
    """Run a job's steps on the calling thread."""
    call_op(make_walk)(job.at, 0, 0, 0, 0)


def _launch_team(address, job, workers):
    for i in prange(workers):
        call(address, job, np.int64(i), workers, 0, 0)  # prange counts in uint64


_launch_team = entry(_launch_team, parallel=True)


def launch(address: int, job_at: int, workers: int) -> None:
    """Call the op at an address on ``workers`` threads: with a job's address, the worker's number, how many there are.

    The caller holds ``_launch.LAUNCH``.
    """
    if not is_planning():
        _launch_team(address, job_at, workers)


def compile_launch() -> None:
    """Compile what launches a team of threads, or load it from disk; a first parallel run does so too."""
    dispatcher_of(_launch_team).compile("(int64, int64, int64)")


def run_steps_parallel(job: Job, team: int, workers: int) -> None:
    """Run a job's steps over ``workers`` threads; ``team`` is the address of ``TEAM_BYTES`` of memory."""
    job.team(team)
    ctypes.memset(team, 0, TEAM_BYTES)
    call_op(make_walk)(job.at, 0, -1, 0, 0)
    launch(op(make_walk), job.at, workers)
