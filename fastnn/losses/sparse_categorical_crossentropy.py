"""Cross-entropy of class probabilities against integer labels.

The formulas of ``categorical_crossentropy``, seen by the one-hot row that the engine makes of a label.
"""

from __future__ import annotations

from dataclasses import replace

from fastnn.losses.base import LOSSES
from fastnn.losses.categorical_crossentropy import CATEGORICAL_CROSSENTROPY

SPARSE_CATEGORICAL_CROSSENTROPY = LOSSES.register(
    "sparse_categorical_crossentropy",
    replace(CATEGORICAL_CROSSENTROPY, name="sparse_categorical_crossentropy", labels=True),
)
