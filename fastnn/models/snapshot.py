"""Where a training stands, as bytes: weights, moving statistics, optimizer state, counted steps and epochs.

For another process to go on with the same network; files that say themselves what network they hold are
``Sequential.save``'s.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.models.sequential import Sequential

Array = np.ndarray[Any, Any]


def _vectors(model: Sequential) -> list[Array]:
    """Return the flat vectors that a training changes, in a fixed order; the optimizer's state is made if missing."""
    model._executor("train")
    assert model._vector is not None and model._statistics is not None and model._slots is not None
    return [model._vector, model._statistics, model._slots]


def snapshot(model: Sequential) -> bytes | None:
    """Return the state of a compiled and built model; None of one with stateful layers, which carry more."""
    if model._built_plan().carried_rows:
        return None
    vectors = _vectors(model)
    head = {"step": model._counter.step, "epoch": model._counter.epoch, "sizes": [v.size for v in vectors],
            "dtype": model.dtype.name}  # fmt: skip
    return json.dumps(head).encode() + b"\n" + b"".join(np.ascontiguousarray(v).tobytes() for v in vectors)


def restore(model: Sequential, state: bytes) -> None:
    """Write a state into a model with the same layers and optimizer, compiled and built."""
    line, _, body = state.partition(b"\n")
    head = json.loads(line)
    vectors = _vectors(model)
    if head["sizes"] != [v.size for v in vectors] or head["dtype"] != model.dtype.name:
        raise InvalidValueError(f"the state belongs to another network: {head}")
    start = 0
    for vector in vectors:
        stop = start + vector.nbytes
        vector[...] = np.frombuffer(body[start:stop], vector.dtype).reshape(vector.shape)
        start = stop
    model._counter.step, model._counter.epoch = head["step"], head["epoch"]
