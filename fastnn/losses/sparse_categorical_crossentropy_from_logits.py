"""Cross-entropy of softmax(z) against integer labels, from the logits z of a whole sample.

The kernel of ``categorical_crossentropy_from_logits``, seen by the one-hot row that the engine makes of a
label.
"""

from __future__ import annotations

from dataclasses import replace

from fastnn.losses.base import LOSSES
from fastnn.losses.categorical_crossentropy_from_logits import CATEGORICAL_CROSSENTROPY_FROM_LOGITS

SPARSE_CATEGORICAL_CROSSENTROPY_FROM_LOGITS = LOSSES.register(
    "sparse_categorical_crossentropy_from_logits",
    replace(
        CATEGORICAL_CROSSENTROPY_FROM_LOGITS,
        name="sparse_categorical_crossentropy_from_logits",
        labels=True,
    ),
)
