"""What all estimators share: how a fit goes, from parameters and data to a trained ``Sequential``.

A fit checks everything first and writes last: if it fails, a fitted estimator is what it was. It is one call of
``Sequential.fit``; scikit-learn's rule of when to stop is a callback of it.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from fastnn.callbacks.runner import CallbackList, check_callbacks
from fastnn.errors import InvalidValueError
from fastnn.estimators.inputs import (
    Samples,
    is_checked_finite,
    pieces,
    read,
    read_features,
    read_validation,
    split,
    weighted,
)
from fastnn.estimators.losses import LINKS, Objective
from fastnn.estimators.parameters import TRAINING, Check, check_parameters
from fastnn.estimators.seeds import order_seed, seed_of
from fastnn.estimators.solver import optimizer_of, rate_kind
from fastnn.estimators.stopping import Convergence
from fastnn.estimators.undo import Undo
from fastnn.layers import Activation, Layer
from fastnn.layers.base import sample_shape
from fastnn.metrics import Metric
from fastnn.models import Sequential

Array = np.ndarray[Any, Any]

AUTO_BATCH = 200
"""Largest minibatch that ``batch_size="auto"`` stands for, as in scikit-learn."""


class NetworkEstimator(BaseEstimator):
    """Base class of the estimators."""

    _checks: dict[str, Check] = TRAINING
    _names_of_parameters: list[str]
    input_shape: Any = None

    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    _convergence: Convergence | None

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Return the names of the parameters; scikit-learn reads the signature each time, 0.1 ms."""
        if "_names_of_parameters" not in vars(cls):
            cls._names_of_parameters = list(super()._get_param_names())
        return list(cls._names_of_parameters)

    # --- what kinds of estimators say ---------------------------------------------------------------

    @abstractmethod
    def _hidden(self, shape: tuple[int, ...]) -> list[Layer]:
        """Return all layers but the output's, for samples of a shape."""

    @abstractmethod
    def _output(self, units: int) -> Layer:
        """Return the linear output layer."""

    @abstractmethod
    def _begin(self, samples: Samples, classes: Any, first: bool, incremental: bool) -> None:
        """Learn, or check, what kind of targets these are."""

    @abstractmethod
    def _objective(self) -> Objective:
        """Return what to train on for the targets learned."""

    @abstractmethod
    def _encode(self, y: Array, dtype: np.dtype[Any]) -> Array:
        """Return targets as the network takes them."""

    @abstractmethod
    def _score_metric(self) -> Metric:
        """Return the score that early stopping watches."""

    _numeric = False

    def _penalize(self, model: Sequential, samples: float) -> None:
        """Scale penalties to minibatches that weigh as much as so many samples."""

    @property
    def _stratifies(self) -> bool:
        """Whether the validation set of early stopping is to hold each class in its share."""
        return False

    # --- fitting ------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any], *, classes: Any = None,
             incremental: bool = False) -> Any:  # fmt: skip
        with Undo(self):
            self._train(X, y, sample_weight, validation, classes, incremental)
        return self

    def _train(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any], classes: Any,
               incremental: bool) -> None:  # fmt: skip
        check_parameters(self, self._checks)
        if incremental and self.early_stopping:
            raise InvalidValueError("partial_fit does not support early_stopping=True")
        if incremental and isinstance(getattr(self, "class_weight", None), str):
            raise InvalidValueError(
                "class_weight='balanced' needs all samples at once; for partial_fit give a dict of weights"
            )
        first = not hasattr(self, "model_") or not (self.warm_start or incremental)
        shape = sample_shape(self.input_shape)
        everything = read(self, X, y, reset=first, numeric=self._numeric, shape=shape)
        self._begin(everything, classes, first, incremental)
        objective = self._objective()
        training = weighted(everything, sample_weight, getattr(self, "class_weight", None))
        seed = seed_of(self.random_state)
        training, held = self._held_out(training, validation, seed, shape, stochastic=self.solver != "lbfgs")
        dtype = np.dtype(self.dtype) if self.dtype is not None else everything.x.dtype
        if first:
            model = self._new_model(everything.x.shape[1:], objective, dtype, seed)
        else:
            model = self._same_model(everything.x.shape[1:])
        batch = self._batch(len(training.x))
        mean_weight = 1.0 if training.weight is None else _mean(training.weight)
        self._penalize(model, batch * mean_weight)
        if first:
            self._learn_shape(model, objective)
        score = None if held is None else self._score_metric()
        if first or not incremental:
            model.compile(optimizer_of(self), objective.loss, [] if score is None else [score])
        if self.solver == "lbfgs":
            self._fit_lbfgs(model, training, mean_weight)
        else:
            self._fit_stochastic(model, training, held, batch, mean_weight, seed, incremental)
        if not np.isfinite(model.parameters).all():
            raise InvalidValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be"
                " preprocessed."
            )
        self.model_ = model

    def _held_out(self, training: Samples, given: tuple[Any, Any, Any], seed: int, shape: Any,
                  stochastic: bool) -> tuple[Samples, Samples | None]:  # fmt: skip
        """Return training and validation samples: those given, or for early stopping a part of the training's."""
        X_val, y_val, weight = given
        if X_val is not None or y_val is not None:
            held = read_validation(self, X_val, y_val, numeric=self._numeric, shape=shape)
            self._check_targets(held.y)
            return training, weighted(held, weight)
        if weight is not None:
            raise InvalidValueError("sample_weight_val needs X_val and y_val")
        if self.early_stopping and stochastic:
            return split(training, self.validation_fraction, seed, self._stratifies)
        return training, None

    def _check_targets(self, y: Array) -> None:
        """Raise an error unless validation targets are of the training's kind."""

    def _new_model(self, shape: tuple[int, ...], objective: Objective, dtype: np.dtype[Any], seed: int) -> Sequential:
        layers = [*self._hidden(shape), self._output(self.n_outputs_)]
        if not objective.linear:
            layers.append(Activation(LINKS[objective.link]))
        model = Sequential(layers, dtype=dtype, seed=seed, backend=self.backend, name=type(self).__name__)
        model.build(shape)
        self._sample_shape = shape
        return model

    def _same_model(self, shape: tuple[int, ...]) -> Sequential:
        """Return the fitted model, which goes on; raise an error if the parameters or the data want another one."""
        model: Sequential = self.model_
        if shape != self._sample_shape:
            raise InvalidValueError(f"X must have samples of shape {self._sample_shape} as before, got {shape}")
        return model

    def _learn_shape(self, model: Sequential, objective: Objective) -> None:
        """Set what describes the network, and empty what describes its training."""
        self.out_activation_ = objective.link
        self.n_iter_ = self.t_ = self._fits = 0
        self.loss_curve_, self.best_loss_ = [], None
        self.validation_scores_ = self.validation_loss_curve_ = self.best_validation_score_ = None
        self._convergence = None

    def _batch(self, samples: int) -> int:
        if self.solver == "lbfgs":
            return samples
        if self.batch_size == "auto":
            return min(AUTO_BATCH, samples)
        if self.batch_size > samples:
            warnings.warn(
                f"batch_size {self.batch_size} is larger than the sample size {samples}: it is clipped", stacklevel=6
            )
        return min(int(self.batch_size), samples)

    def _fit_stochastic(self, model: Sequential, training: Samples, held: Samples | None, batch: int,
                        mean_weight: float, seed: int, incremental: bool) -> None:  # fmt: skip
        stops_by_score = bool(self.early_stopping)
        watch = Convergence(
            self.tol, self.n_iter_no_change, score=f"val_{self._score_metric().name}" if stops_by_score else None,
            rate=rate_kind(self), rate_init=self.learning_rate_init, power_t=self.power_t, samples=len(training.x),
            seen=self.t_, verbose=bool(self.verbose), before=self._convergence,
        )  # fmt: skip
        dtype = model.dtype
        validation = None
        if held is not None:
            weights = None if held.weight is None else held.weight / _mean(held.weight)
            validation = (held.x, self._encode(held.y, dtype), weights)
        epochs = 1 if incremental else int(self.max_iter)
        weights = None if training.weight is None else training.weight / mean_weight
        try:
            model.fit(
                training.x, self._encode(training.y, dtype), batch, epochs, 0, shuffle=bool(self.shuffle),
                sample_weight=weights, validation_data=validation, seed=order_seed(seed, self._fits),
                callbacks=[watch, *check_callbacks(self.callbacks)], allow_nonfinite=is_checked_finite(),
            )  # fmt: skip
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        else:
            if not model.stop_training and not incremental:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({epochs}) reached and the optimization hasn't converged"
                    " yet.", ConvergenceWarning, stacklevel=5,
                )  # fmt: skip
        watch.model = model  # also where the first epoch was not reached
        watch.settle()
        model._callbacks = CallbackList()
        self._note(watch, model.history.history, held is not None, stops_by_score)
        if not incremental:
            self._fits += 1

    def _fit_lbfgs(self, model: Sequential, training: Samples, mean_weight: float) -> None:
        weights = None if training.weight is None else training.weight / mean_weight
        history = model.fit_lbfgs(
            training.x, self._encode(training.y, model.dtype), int(self.max_iter), max_evaluations=int(self.max_fun),
            tolerance=float(self.tol), sample_weight=weights, verbose=int(bool(self.verbose)),
        )  # fmt: skip
        if not history.params["converged"]:
            warnings.warn(
                f"lbfgs failed to converge after {len(history.epoch)} iteration(s): {history.params['message']}."
                " Increase max_iter, or scale the data.", ConvergenceWarning, stacklevel=5,
            )  # fmt: skip
        losses = history.history.get("loss", [])
        self.n_iter_, self.t_ = len(losses), self.t_ + len(losses) * len(training.x)
        self.loss_curve_ = [*self.loss_curve_, *losses]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else float("nan")
        self.best_loss_ = min(self.loss_curve_, default=float("nan"))

    def _note(self, watch: Convergence, history: dict[str, list[float]], validated: bool, by_score: bool) -> None:
        """Set the attributes that tell of a training."""
        self.n_iter_, self.t_ = len(watch.losses), watch.seen
        self.loss_curve_ = [*self.loss_curve_, *watch.losses]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else float("nan")
        self.best_loss_ = None if by_score else watch.best_loss
        if validated:
            scores = history.get(f"val_{self._score_metric().name}", [])
            self.validation_scores_ = [*(self.validation_scores_ or []), *scores]
            self.validation_loss_curve_ = [*(self.validation_loss_curve_ or []), *history.get("val_loss", [])]
            self.best_validation_score_ = watch.best_score if by_score else max(self.validation_scores_, default=None)
        self._convergence = watch

    # --- use ----------------------------------------------------------------------------------------

    def _linear(self, X: Any) -> Array:
        """Return the network's linear outputs (N, outputs)."""
        check_is_fitted(self)
        shape = sample_shape(self.input_shape)
        x = read_features(self, X, shape)
        model: Sequential = self.model_
        if self.out_activation_ != "identity" and isinstance(model.layers[-1], Activation):
            model = _without_activation(model, self._sample_shape)
        checked = is_checked_finite()
        parts = [model.predict(part, allow_nonfinite=checked) for part in pieces(x, shape)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _without_activation(model: Sequential, shape: tuple[int, ...]) -> Sequential:
    """Return a model of the same weights that ends before its output activation."""
    linear = Sequential(model.layers[:-1], dtype=model.dtype, seed=model.seed, backend=model.backend)
    linear.build(shape)
    linear.parameters[...] = model.parameters
    for name, values in model.statistics.items():
        linear.statistics[name][...] = values
    return linear


def _mean(weights: Array) -> float:
    """Return the mean, added in order."""
    return float(np.add.accumulate(weights)[-1] / len(weights))
