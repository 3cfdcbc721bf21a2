"""Powers of decay rates by step, as bias corrections need them: those of early steps are computed once a process.

A power in defined arithmetic is some hundred operations of NumPy: 500 us for both of Adam's over a thousand steps,
where a small network takes 10 us a step. They depend on the rates alone, so that fits of a cross-validation share them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastnn.formulas import pow

Floats = npt.NDArray[np.float64]

REMEMBERED = 4096
"""Steps whose powers are kept: 64 KB for two rates."""

KEPT_RATES = 16
"""Tuples of rates whose powers are kept; the oldest goes first."""

_tables: dict[tuple[float, ...], Floats] = {}


def powers(rates: tuple[float, ...], steps: Floats) -> Floats:
    """Return each rate to the power of each step.

    Parameters
    ----------
    rates : tuple of float
    steps : ndarray (S,) of float64
        Whole numbers.

    Returns
    -------
    ndarray (len(rates), S) of float64
        By ``fastnn.formulas.pow``; the bits do not depend on what was asked for before.
    """
    if not steps.size or not 1.0 <= steps.min() <= steps.max() <= REMEMBERED:
        return _computed(rates, steps)
    last = int(steps.max())
    table = _tables.get(rates)
    if table is None or table.shape[1] < last:
        known = np.empty((len(rates), 0)) if table is None else table
        count = max(64, 1 << (last - 1).bit_length())
        more = _computed(rates, np.arange(known.shape[1] + 1, count + 1, dtype=np.float64))
        table = np.concatenate([known, more], axis=1)
        if rates not in _tables and len(_tables) >= KEPT_RATES:
            _tables.pop(next(iter(_tables)), None)
        _tables[rates] = table
    found: Floats = table[:, steps.astype(np.intp) - 1]
    return found


def _computed(rates: tuple[float, ...], steps: Floats) -> Floats:
    # all at once: a call takes as long as the operations that it makes
    return np.asarray(pow(np.array(rates).reshape(-1, 1), steps[None]), np.float64)
