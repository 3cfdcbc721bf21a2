"""What ``fit`` and its kin are given, checked before any work, and divided into training and validation data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models.network import Network
from fastnn.plan.data import Data
from fastnn.training.loop import Evaluation
from fastnn.validation import check_samples, check_targets, check_weights, class_weights


def check_data(model: Network, x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None,
               allow_nonfinite: bool, prefix: str = "") -> Evaluation:  # fmt: skip
    """Return samples, targets and weights as the loop takes them; the model need not be built yet."""
    _, loss = model._compiled()
    shape = model._plan.inputs.shape if model._plan is not None else (
        model.layers[0].stated_shape if model.layers else None
    )  # fmt: skip
    samples, found = check_samples(prefix + "x", x, shape, model.dtype, allow_nonfinite=allow_nonfinite,
                                   finite=model._finite)  # fmt: skip
    if model.layers:
        model.layers[0].check_input(prefix + "x", samples, model.dtype)
    outputs = model._forward_plan(found).outputs.shape
    targets = check_targets(prefix + "y", y, len(samples), outputs, loss, model.dtype,
                            allow_nonfinite=allow_nonfinite, finite=model._finite)  # fmt: skip
    weight = check_weights(prefix + "sample_weight", sample_weight, len(samples), model.dtype)
    weight = class_weights(class_weight, targets, outputs, weight, model.dtype)
    return Evaluation(Data(samples, targets, weight), targets, weight, found)


def with_class_weights(model: Network, what: Evaluation, class_weight: Mapping[int, float] | None) -> Evaluation:
    """Return the data with each sample's weight multiplied by its class's."""
    outputs = model._forward_plan(what.shape).outputs.shape
    weight = class_weights(class_weight, what.y, outputs, what.weight, model.dtype)
    return Evaluation(Data(what.data.x, what.data.y, weight), what.y, weight, what.shape)


def split(model: Network, everything: Evaluation, share: float, given: Any,
          allow_nonfinite: bool) -> tuple[Evaluation, Evaluation | None]:  # fmt: skip
    """Return training and validation data."""
    if given is not None:
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise InvalidTypeError(
                f"validation_data must be (x, y) or (x, y, sample_weight), got {type(given).__name__}"
            )
        weight = given[2] if len(given) == 3 else None
        found = check_data(model, given[0], given[1], weight, None, allow_nonfinite, "validation ")
        if found.shape != everything.shape:
            raise InvalidValueError(f"validation x must have samples of shape {everything.shape}, got {found.shape}")
        return everything, found
    if not isinstance(share, int | float) or not 0 <= share < 1:
        raise InvalidValueError(f"validation_split must be in [0, 1), got {share!r}")
    samples = everything.data.samples
    kept = samples - int(samples * share)
    if kept == samples:
        return everything, None
    if kept == 0:
        raise InvalidValueError(f"validation_split={share} of {samples} samples leaves none to train on")

    def part(rows: slice) -> Evaluation:
        weight = None if everything.weight is None else everything.weight[rows]
        return Evaluation(Data(everything.data.x[rows], everything.y[rows], weight), everything.y[rows], weight,
                          everything.shape)  # fmt: skip

    return part(slice(0, kept)), part(slice(kept, samples))
