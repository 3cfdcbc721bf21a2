"""Training a model by L-BFGS: what ``Sequential.fit_lbfgs`` does around ``fastnn.training.lbfgs``."""

from __future__ import annotations

from typing import Any

from fastnn.errors import InvalidValueError
from fastnn.models.fit_data import check_data
from fastnn.optimizers.base import non_negative
from fastnn.optional import require
from fastnn.plan.executor import Draw
from fastnn.training.history import History
from fastnn.training.lbfgs import descend
from fastnn.validation import positive_whole


def fit_lbfgs(model: Any, x: Any, y: Any, sample_weight: Any, class_weight: Any, allow_nonfinite: bool, verbose: int, *,
              max_iterations: int, max_evaluations: int, tolerance: float, history_size: int) -> History:  # fmt: skip
    """Check, minimize, count and record; parameters are those of ``Sequential.fit_lbfgs``.

    Raises
    ------
    InvalidValueError
        Before any work, also for layers whose outcome is not a function of weights and samples alone.
    """
    settings: dict[str, Any] = {
        "max_iterations": positive_whole("max_iterations", max_iterations),
        "max_evaluations": positive_whole("max_evaluations", max_evaluations),
        "tolerance": non_negative("tolerance", tolerance),
        "history_size": positive_whole("history_size", history_size),
    }
    require("scipy", purpose="L-BFGS")
    what = check_data(model, x, y, sample_weight, class_weight, allow_nonfinite)
    plan = model._forward_plan(what.shape)
    if plan.statistics_size or plan.carried_rows:
        raise InvalidValueError(
            "L-BFGS minimizes a function of the weights alone: layers that keep statistics (BatchNormalization) or"
            " states from batch to batch need fit"
        )
    history = History(samples=what.data.samples, **settings)
    with model._lock:
        if not model.built:
            model.build(what.shape)
        counter = model._counter
        executor = model._executor("train")
        model.history, model._fit = history, None

        def after_iteration(loss: float) -> None:
            history.append(counter.epoch, {"loss": loss})
            counter.epoch += 1
            counter.step += 1
            if verbose:
                print(f"Iteration {len(history.epoch)}/{max_iterations} - loss: {loss:.6g}", flush=True)

        found = descend(executor, what.data, Draw(model.seed, counter.step + 1), after_iteration, **settings)
    history.params |= {"evaluations": found.evaluations, "converged": found.converged, "message": found.message}
    return history
