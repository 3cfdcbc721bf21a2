"""A stack of layers in the words of Keras; rows are samples.

The model owns its settings and its flat vectors (weights, optimizer state). What it computes is a plan run by
the chosen backend; with the same seed, data and settings every bit of the outcome is the same on either.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnn import validation
from fastnn.backends import Backend
from fastnn.callbacks.runner import CallbackList, check_callbacks
from fastnn.contract import SAMPLE_BLOCK
from fastnn.layers import Layer
from fastnn.models import lbfgs, loaded, saved, weight_files
from fastnn.models.carried import check_stateful_fit
from fastnn.models.few_rows import FEW
from fastnn.models.fit_data import check_data, split, with_class_weights
from fastnn.models.layer_outputs import layer_outputs
from fastnn.models.network import Network
from fastnn.models.predictor import Predictor
from fastnn.models.states import States, taken_apart
from fastnn.models.weights import named_views
from fastnn.plan.data import Data
from fastnn.plan.executor import Draw, State
from fastnn.random.counter import checked_integer
from fastnn.training.history import History
from fastnn.training.loop import Training, evaluate, fit_terms, train
from fastnn.training.position import FitState, RunningFit
from fastnn.training.progress import check_verbose
from fastnn.validation import check_finite, check_samples, positive_whole

Array = np.ndarray[Any, Any]
Path = str | os.PathLike[str]

_PREDICTED_AT_ONCE = 1 << 14
"""Samples of one call into the backend: enough to share out, few enough for workspaces and Ctrl-C."""


class Sequential(Network):
    """A feed-forward stack of layers.

    Parameters
    ----------
    layers : sequence of Layer
    dtype : "float32" or "float64"
        What everything is computed in.
    seed : int
        Of the initial weights and, unless ``fit`` is given another, the shuffles.
    backend : str or module, optional
        ``"numba"`` or ``"numpy"``; by default the one in force when the model is first used.
    name : str

    Examples
    --------
    >>> import numpy as np
    >>> model = Sequential([Dense(4, activation="tanh"), Dense(1)], dtype="float64", backend="numpy")
    >>> model.compile("sgd", "mse")
    >>> model.fit(np.eye(3), [0.0, 1.0, 0.0], epochs=2, verbose=0).history["loss"][0] > 0
    True
    """

    # --- files ------------------------------------------------------------------------------------

    def save(self, path: Path, *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write everything that the model is to a safetensors file, and where its training stands.

        The file is replaced at once and durably: a crash at any moment leaves the old one or the new one.
        ``metadata``, names to what JSON can say, goes into it as well; ``fastnn.models.load_metadata`` reads it.

        Raises
        ------
        FileWriteError
            If the system refuses; the old file is there as it was.
        InvalidTypeError
            If a setting, or a state of a callback, has no form in a file.
        """
        saved.save(self, path, metadata)

    @classmethod
    def load(cls, path: Path, custom_objects: Mapping[str, Any] | None = None,
             backend: Backend | str | None = None) -> Sequential:  # fmt: skip
        """Return the model that ``save`` wrote: it predicts and trains on to the same bits.

        Parameters
        ----------
        path : path
        custom_objects : mapping, optional
            Functions and classes that are not fastnn's, by the names under which they were when the model was saved:
            activations, losses, metrics, schedules. A file holds no code, and nothing of it is imported or executed.
        backend : str or module, optional
            Replaces the one that the file names.

        Raises
        ------
        FileFormatError
            If the file is damaged, or no model of fastnn. Memory is bounded by the file's size.
        InvalidValueError
            If ``custom_objects`` lacks something; the message names it.
        OSError
            If it cannot be read.
        """
        return loaded.load(cls, path, custom_objects, backend)

    def save_weights(self, path: Path) -> None:
        """Write the weights and statistics alone, by name, to a safetensors file."""
        weight_files.save_weights(self, path)

    def load_weights(self, path: Path) -> None:
        """Copy weights and statistics from a safetensors file with the model's names and shapes.

        A file of ``save`` will do, or another program's; floats of another size are rounded to the model's. All is
        checked before the first weight is written.
        """
        weight_files.load_weights(self, path)

    def export_onnx(self, path: str | os.PathLike[str], *, dtype: Any = None) -> None:
        """Write the model as an ONNX file; see ``fastnn.exchange.export_onnx``."""
        # a floor up, and optional: loaded by those who ask for it
        from fastnn.exchange import export_onnx

        export_onnx(self, path, dtype=dtype)

    # --- training ---------------------------------------------------------------------------------

    def fit(self, x: Any, y: Any, batch_size: int = 32, epochs: int = 1, verbose: int | str = "auto", *,
            validation_split: float = 0.0, validation_data: Any = None, shuffle: bool = True,
            class_weight: Mapping[int, float] | None = None, sample_weight: Any = None,
            seed: int | None = None, callbacks: Any = None, resume: bool = False,
            allow_nonfinite: bool = False) -> History:  # fmt: skip
        """Train.

        Parameters
        ----------
        x : array_like (N, D), or (N, ...) as the first layer takes them
            Samples: float32 or float64 of any strides are read where they lie, other numbers are converted.
        y : array_like (N, M) or (N,)
            Targets; integer labels (N,) for a sparse loss.
        batch_size, epochs : int
        verbose : "auto", 0, 1 or 2
            Nothing, a bar, a line an epoch; "auto" is a bar on a terminal or in a notebook, lines elsewhere.
        validation_split : float
            Share of the data, taken from its end before any shuffling, that is evaluated after each epoch
            instead of trained on.
        validation_data : tuple, optional
            ``(x, y)`` or ``(x, y, sample_weight)``.
        shuffle : bool
            Take the samples in a new order each epoch; the order depends on the seed and the epoch's number
            only.
        class_weight : mapping, optional
            Class number to the weight of its samples; for training only, not for validation.
        sample_weight : array_like (N,), optional
            Multiplies each sample's loss; the mean is still over the number of samples.
        seed : int, optional
            Of the shuffles; the model's by default.
        callbacks : Callback or list of Callback, optional
            See ``fastnn.callbacks``. One that raises ends the training at the last whole step, as Ctrl-C does.
        resume : bool
            Go on with the training that the model, or the file it was loaded from, was in, to the bits of one that
            was never interrupted: ``epochs`` counts from its beginning, and the arguments must be the same. Without
            one, begin.
        allow_nonfinite : bool
            Accept NaN and infinity in the data.

        Returns
        -------
        History
            Also kept as ``model.history``. Ctrl-C leaves the model at the last whole step and
            ``model.history`` with the whole epochs so far.

        Raises
        ------
        InvalidValueError, InvalidTypeError
            Before any work; the model is unchanged.
        NotBuiltError
            If the model is not compiled.
        """
        optimizer, _ = self._compiled()
        shown = check_verbose(verbose)
        batch = positive_whole("batch_size", batch_size)
        count = positive_whole("epochs", epochs, zero=True)
        hooks = check_callbacks(callbacks)
        order_seed = self.seed if seed is None else checked_integer("seed", seed, 2**64 - 1)
        everything = check_data(self, x, y, sample_weight, None, allow_nonfinite)
        training, validation = split(self, everything, validation_split, validation_data, allow_nonfinite)
        training = with_class_weights(self, training, class_weight)
        carried = self._forward_plan(everything.shape).carried_rows
        check_stateful_fit(carried, bool(shuffle), validation is not None)
        terms = fit_terms(training, validation, batch_size=batch, shuffle=bool(shuffle), seed=order_seed)
        with self._lock:
            before = self._fit.state() if resume and self._fit is not None else FitState(terms)
            before.check_terms(terms)
            history = self.history if resume and self._fit is not None else History()
            history.params = {"epochs": count, "batch_size": batch, "samples": training.data.samples}
            if self._plan is None:
                self.build(everything.shape)
            whole = min(batch, training.data.samples)
            self._carry(whole, training.data.samples)
            executor = self._executor("train")
            evaluator = None if validation is None else self._executor("evaluate")
            measures = self._metrics()
            names = ["loss", *(metric.name for metric in measures)]
            params = {
                **history.params, "steps": -(-training.data.samples // whole), "verbose": shown,
                "metrics": names + [f"val_{name}" for name in names if validation is not None],
            }  # fmt: skip
            self._callbacks = CallbackList(hooks, self, params, before.callbacks)
            self._fit = RunningFit.resumed(before, measures, self._callbacks)
            task = Training(executor, evaluator, optimizer, training.data, training.y, whole, count, bool(shuffle),
                            order_seed, self.backend.random, measures, validation, shown,
                            self._callbacks, self._fit.position, self._executors.pace(whole),
                            self._counted_steps())  # fmt: skip
            self.stop_training = before.stop
            self.history = history
            train(task, self._counter, history)
        return history

    def fit_lbfgs(self, x: Any, y: Any, max_iterations: int = 200, *, max_evaluations: int = 15000,
                  tolerance: float = 1e-5, history_size: int = 10, sample_weight: Any = None,
                  class_weight: Mapping[int, float] | None = None, verbose: int = 0,
                  allow_nonfinite: bool = False) -> History:  # fmt: skip
        """Minimize the loss on all samples at once by L-BFGS; see ``fastnn.training.lbfgs`` on its bits.

        The optimizer given to ``compile`` is not used. Needs SciPy, the extra ``scipy``.

        Parameters
        ----------
        x, y, sample_weight, class_weight, allow_nonfinite
            As in ``fit``.
        max_iterations, max_evaluations : int
            At most so many steps, and so many computations of the loss.
        tolerance : float
            The end is reached when no element of the gradient is greater.
        history_size : int
            Steps that the curvature is estimated from.
        verbose : int
            1 prints a line an iteration.

        Returns
        -------
        History
            Each iteration counts as an epoch of one step; ``params`` has ``evaluations``, ``converged``, ``message``.
        """
        return lbfgs.fit_lbfgs(
            self, x, y, sample_weight, class_weight, allow_nonfinite, verbose, max_iterations=max_iterations,
            max_evaluations=max_evaluations, tolerance=tolerance, history_size=history_size,
        )  # fmt: skip

    def train_on_batch(self, x: Any, y: Any, sample_weight: Any = None,
                       class_weight: Mapping[int, float] | None = None, *,
                       initial_states: Mapping[int, Any] | None = None, return_states: bool = False,
                       allow_nonfinite: bool = False) -> Any:  # fmt: skip
        """Make one step on the given samples and return the loss before it.

        Parameters
        ----------
        x, y, sample_weight, class_weight, allow_nonfinite
            As of ``fit``.
        initial_states, return_states
            As of ``predict``: with ``return_states``, ``(loss, states)``. No gradient goes back through the states
            handed in: training on a long sequence piece by piece is truncated backpropagation through time.
        """
        optimizer, _ = self._compiled()
        what = check_data(self, x, y, sample_weight, class_weight, allow_nonfinite)
        with self._lock:
            states = None
            if initial_states is not None or return_states:
                states = self._states(initial_states, what.shape, what.data.samples, allow_nonfinite)
            if self._plan is None:
                self.build(what.shape)
            self._carry(what.data.samples, what.data.samples)
            number = np.array([self._counter.step + 1])
            scalars = optimizer.scalars(number, optimizer.learning_rates(number))
            samples = what.data.samples
            draw = Draw(self.seed, self._counter.step + 1)
            found = self._step("train", what.data, states, scalars=np.ascontiguousarray(scalars, self.dtype), draw=draw)
            self._counter.step += 1
            loss = float(found[0, 0]) / samples + float(found[0, 1])
            return (loss, self._by_layer(states)) if return_states else loss

    def gradients(self, x: Any, y: Any, sample_weight: Any = None, *,
                  initial_states: Mapping[int, Any] | None = None,
                  allow_nonfinite: bool = False) -> dict[str, Array]:  # fmt: skip
        """Return the gradient of the mean loss on the given samples, penalties included.

        ``initial_states`` as of ``predict``; they are taken as given.

        Returns
        -------
        dict of ndarray
            ``{"W1": (units, inputs), "b1": (units,), ...}``.
        """
        self._compiled()
        what = check_data(self, x, y, sample_weight, None, allow_nonfinite)
        with self._lock:
            samples, states = what.data.samples, None
            if initial_states is not None:
                states = self._states(initial_states, what.shape, samples, allow_nonfinite)
            if self._plan is None:
                self.build(what.shape)
            self._carry(samples, samples, leaves=False)
            self._step("gradients", what.data, states, draw=Draw(self.seed, self._counter.step + 1))
            assert self._gradient is not None
            return named_views(self._built_plan(), self._gradient.copy())

    # --- use --------------------------------------------------------------------------------------

    def evaluate(self, x: Any, y: Any, batch_size: int | None = None, verbose: int | str = 0, *,
                 sample_weight: Any = None, return_dict: bool = False,
                 allow_nonfinite: bool = False) -> float | list[float] | dict[str, float]:  # fmt: skip
        """Return the loss, and the metrics if any: ``[loss, metric, ...]`` or, with ``return_dict``, by name.

        ``batch_size`` is accepted for Keras' sake; the result does not depend on it.
        """
        self._compiled()
        what = check_data(self, x, y, sample_weight, None, allow_nonfinite)
        with self._lock:
            if self._plan is None:
                self.build(what.shape)
            batch = self._batch(batch_size, what.data.samples)
            if batch is not None:
                self._carry(batch, what.data.samples)
            values = evaluate(self._executor("evaluate"), what, self._metrics(), batch=batch or SAMPLE_BLOCK,
                              counts=self._counted_steps())  # fmt: skip
        if verbose in (1, 2):
            print(" - ".join(f"{name}: {value:.4f}" for name, value in values.items()))
        if return_dict:
            return values
        return values["loss"] if len(values) == 1 else list(values.values())

    def predict(self, x: Any, batch_size: int | None = None, verbose: int | str = 0, *,
                initial_states: Mapping[int, Any] | None = None, return_states: bool = False,
                allow_nonfinite: bool = False) -> Any:  # fmt: skip
        """Return the outputs (N, M), or (N, ...) where an output has several axes, in the model's dtype.

        ``predict(x)[i]`` has the bits of ``predict(x[i:i+1])[0]``. ``batch_size`` is accepted for Keras'
        sake, and says after how many samples stateful layers carry on (all, by default); no other result depends on it.

        Parameters
        ----------
        x : array_like (N, D), or (N, ...) as the first layer takes them
        batch_size : int, optional
        verbose
            Accepted for Keras' sake.
        initial_states : mapping, optional
            From which states recurrent layers start, zeros by default: a layer's index in ``layers`` to its list of
            arrays (N, units), [h] of ``SimpleRNN`` and ``GRU``, [h, c] of ``LSTM``; of ``Bidirectional`` the forward
            layer's, then the backward one's; of layers in branches all of them, one after another. Keras has this as
            an argument of calls to a layer.
        return_states : bool
            Return ``(outputs, states)``, the states that every recurrent layer ended in, as ``initial_states`` takes
            them: ``predict`` on a sequence has the bits of ``predict`` on its first part, and on the rest from the
            states of the first.
        allow_nonfinite : bool

        Returns
        -------
        ndarray
            Or, if the last layer has ``return_state=True``, a list of it and that layer's states, as in Keras.
        """
        if initial_states is None and not return_states:
            found = self._few.predict(self, x, allow_nonfinite)
            if found is not None:
                return found
        plan = self._built_plan()
        samples, _ = check_samples("x", x, plan.inputs.shape, self.dtype, allow_empty=True, allow_nonfinite=True)
        listed = self.layers[-1].returns_state
        # an error may come late where nothing has changed by then, and no other check expects finite samples
        late = not (allow_nonfinite or plan.carried_rows or initial_states is not None or return_states or listed)
        late = late and len(samples) > FEW and samples.size >= validation.LARGE
        late = late and type(self.layers[0]).check_input is Layer.check_input
        if not (allow_nonfinite or late):
            check_finite("x", samples, self._finite)
        self.layers[0].check_input("x", samples, self.dtype)
        out = np.empty((len(samples), plan.outputs.rows), self.dtype)
        with self._lock:
            states = None
            if initial_states is not None or return_states or listed:
                states = self._states(initial_states, plan.inputs.shape, len(samples), allow_nonfinite)
            if states is not None or not self._few.fill(self, samples, out):
                self._predict(samples, batch_size, states, out, late)
            outputs: Any = out.reshape(len(out), *plan.outputs.shape)
            by_layer = self._by_layer(states)
        if listed:
            outputs = [outputs, *by_layer[len(self.layers) - 1]]
        return (outputs, by_layer) if return_states else outputs

    def _predict(self, samples: Array, batch_size: int | None, states: Array | None, out: Array, check: bool) -> None:
        """Write the outputs of checked samples into ``out``, batch after batch.

        With ``check``, they are looked at for NaN and infinity where they are read, while they are in the cache.
        """
        batch = self._batch(batch_size, len(samples)) if len(samples) else None
        if batch is not None:
            self._carry(batch, len(samples))
        at_once = batch or _PREDICTED_AT_ONCE
        for first in range(0, len(samples), at_once):
            part = slice(first, first + at_once)
            found = self._step("predict", Data(samples[part]), None if states is None else states[:, part],
                               out=out[part], check=check)  # fmt: skip
            if check and found[0, 0]:
                check_finite("x", samples)

    def _by_layer(self, states: Array | None) -> States:
        if states is None:
            return {}
        return taken_apart(self._make_plan(self._built_plan().inputs.shape, None, carries=True), states)

    def predictor(self) -> Predictor:
        """Return a frozen, thread-safe callable for single samples: what ``predict`` gives now, sooner.

        ``predictor(x)`` takes one sample, or several. Later training does not change it.
        """
        with self._lock:
            return Predictor(self)

    def layer_outputs(self, x: Any, *, allow_nonfinite: bool = False) -> list[Array]:
        """Return what every layer puts out, an array (N, ...) each; the last one is ``predict(x)``, to the bit.

        Stateful layers start from what they carry and leave it as it is.
        """
        plan = self._built_plan()
        samples, _ = check_samples("x", x, plan.inputs.shape, self.dtype, allow_nonfinite=allow_nonfinite,
                                   finite=self._finite)  # fmt: skip
        self.layers[0].check_input("x", samples, self.dtype)
        with self._lock:
            self._carry(len(samples), len(samples), leaves=False)
            carried = None if self._carried.values is None else self._carried.values.copy()
            state = State(self.parameters, statistics=self._statistics, carried=carried)
            return layer_outputs(self.layers, samples, plan.inputs.shape, state, self.backend)

    def predict_classes(self, x: Any, *, allow_nonfinite: bool = False) -> Array:
        """Return each sample's class (N,): the greatest output's; of one output, if it passes a half.

        Of outputs with several axes, one class a position.
        """
        out = self.predict(x, allow_nonfinite=allow_nonfinite)
        if isinstance(out, list):
            out = out[0]
        if out.shape[-1] > 1:
            return np.asarray(out.argmax(axis=-1))
        threshold = 0.0 if self.loss is not None and (self.loss.from_logits or self.loss.name == "hinge") else 0.5
        return (out[..., 0] > threshold).astype(np.int64)


__all__ = ["Sequential"]
