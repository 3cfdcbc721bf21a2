"""Cross-entropy of softmax(z) against one-hot targets or a distribution, from the logits z of a whole sample.

Its ordered loop over the outputs is the kernel ``softmax_crossentropy`` of the backends.
"""

from __future__ import annotations

from fastnn.losses.base import LOSSES, Loss

CATEGORICAL_CROSSENTROPY_FROM_LOGITS = LOSSES.register(
    "categorical_crossentropy_from_logits",
    Loss(
        "categorical_crossentropy_from_logits",
        None,
        None,
        mean=False,
        from_logits=True,
        sample_wise="softmax_crossentropy",
    ),
)
