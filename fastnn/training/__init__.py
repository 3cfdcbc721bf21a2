"""The training loop: steps in compiled pieces, history, progress, and a clean stop on Ctrl-C."""

from __future__ import annotations

from fastnn.training.history import History
from fastnn.training.loop import Evaluation, evaluate, train

__all__ = ["Evaluation", "History", "evaluate", "train"]
