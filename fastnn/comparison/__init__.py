"""Comparing backends: one network, the same data, every quantity bit by bit, and the time of each.

``compare(...)`` is what ``fastnn compare`` prints. Textbook NumPy (``np.dot``, ``np.exp``) runs the same
steps as the yardstick of speed; its bits are not expected to agree.
"""

from __future__ import annotations

from fastnn.comparison.bits import Difference
from fastnn.comparison.compare import compare
from fastnn.comparison.result import Comparison

__all__ = ["Comparison", "Difference", "compare"]
