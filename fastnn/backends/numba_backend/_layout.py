"""How a program's integers are laid out: the context, the records of ops, the table of regions.

A tensor of R rows is stored as one R x BLOCK array for every ``BLOCK`` consecutive samples of the minibatch, samples
contiguous. A *block* is what one thread takes at a time: these samples, or a half or a quarter of them. Halves and
quarters do not lie side by side: each has R rows of its own, BLOCK samples long, which its tensors share, since a core
that reads ahead in a row would fetch what another is writing. An op gets a block's number and the bytes from a tensor's
first sample to the block's.

A program is a table of regions. A region of kind ``BLOCKS`` runs its list of ops for every block; a region of kind
``TILES`` runs every op over that op's own items (tiles of weights); one of kind ``CHAIN`` goes on from its blocks to
sums over them, which a thread begins as soon as its own blocks are done (see ``_dense_weights.py``). A training step of
a dense network has two regions, whatever its depth, or is one chain; one with batch normalization has more, since that
needs sums over all samples before it goes on.
"""

from __future__ import annotations

BLOCK = 64
LEAST_PER_BLOCK = 16
"""Samples of the smallest blocks, taken where there are few samples for many threads."""
ROW_ALIGNMENT = 16
"""Rows of a stored tensor are a multiple of this, so that transposed tiles never read past the end."""

# Context: what changes from step to step (int64 positions).
SAMPLES = 0  # samples in this step
FIRST = 1  # position of the step's first sample in the order
ORDER = 2  # address of the order (int64 row numbers), 0 for the identity
X, X_ROW, X_COLUMN = 3, 4, 5  # address and strides in bytes of the samples
Y, Y_ROW, Y_COLUMN = 6, 7, 8  # the same of the targets
WEIGHT = 9  # address of the sample weights, 0 for none
OUT, OUT_ROW = 10, 11  # address of the predictions, elements between rows
SCALARS = 12  # address of the optimiser's scalars of this step
LOSS = 13  # address of the step's loss sum (float64)
DIRECT = 14  # 1 when rows of X can be read by the vector kernels as they are
PER_BLOCK = 15  # samples of a block: BLOCK, or a smaller power of two where there are few samples for many threads
SEED, STEP = 16, 17  # what names the step's random numbers
BLOCK_BYTES = 18  # bytes between BLOCK samples and the next
SAMPLE_BYTES = 19  # within them, smaller blocks lie apart by this times their samples
CONTEXT_SIZE = 20

# Records: one row of int64 per op. Operands start at OPERANDS, in the order the op's file states.
# COST is one item's work relative to other items' of the region, by which items are shared out.
ADDRESS, ITEMS, COST, OPERANDS = 0, 1, 2, 3
RECORD_SIZE = 32


def record_row(address: int, items: int, *operands: int, cost: int = 1) -> list[int]:
    """Return a record: the op at ``address`` over ``items`` items, each of relative work ``cost``."""
    row = [address, items, max(1, cost), *(int(o) for o in operands)]
    assert len(row) <= RECORD_SIZE
    return row + [0] * (RECORD_SIZE - len(row))


# Regions.
# PARALLEL_FROM: samples from which a launch pays. BLOCK_OPS: how many of its ops are run block by block.
KIND, FIRST_OP, OP_COUNT, PARALLEL_FROM, BLOCK_OPS = 0, 1, 2, 3, 4
REGION_SIZE = 5
BLOCKS, TILES = 0, 1
REUSE = 2  # like BLOCKS, but the storage of a block is the worker's: nothing is kept between blocks
CHAIN = 3  # after ops of blocks, each op over a run of blocks: a share goes on where the one before leaves off

PAIR_LEVELS = 24
"""Levels of partial sums that wait to be combined: enough for 2^24 blocks of 1024 samples."""

SCRATCH_BYTES = max(32 * (64 * 4 + 8) * (PAIR_LEVELS + 2) + 4096, 1400 << 10)
"""Workspace of one worker: the sums of one item of weights (see ``_dense_weights.py``) at every level, or what the
gradient of a convolution's weights keeps in cache."""
