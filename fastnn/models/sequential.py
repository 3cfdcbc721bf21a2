"""A stack of layers in the words of Keras; rows are samples.

The model owns its settings and its flat vectors (weights, optimizer state). What it computes is a plan run by
the chosen backend; with the same seed, data and settings every bit of the outcome is the same on either.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastnn import losses, metrics, optimizers
from fastnn.backends import Backend, backend_name, get_backend
from fastnn.callbacks.runner import CallbackList, check_callbacks
from fastnn.contract import SAMPLE_BLOCK
from fastnn.errors import InvalidTypeError, InvalidValueError, NotBuiltError
from fastnn.layers import LAYERS, Layer
from fastnn.layers.base import sample_shape
from fastnn.losses import Loss
from fastnn.metrics import Metric
from fastnn.models import lbfgs, loaded, saved, weight_files
from fastnn.models.carried import CarriedStates, check_stateful_fit
from fastnn.models.copies import restore, state_of
from fastnn.models.counted_steps import counted_steps
from fastnn.models.layer_outputs import layer_outputs
from fastnn.models.predictor import Predictor
from fastnn.models.states import HandedStates, States, put_together, taken_apart
from fastnn.models.summary import summary_table
from fastnn.models.weights import (
    initial_statistics,
    initial_vector,
    keras_arrays,
    load_keras_arrays,
    named_statistics,
    named_views,
)
from fastnn.optimizers import Optimizer
from fastnn.plan import Plan, PlanBuilder
from fastnn.plan.data import Data
from fastnn.plan.executor import Draw, Executor, State
from fastnn.random.counter import checked_integer
from fastnn.training.history import History
from fastnn.training.loop import Counter, Evaluation, Training, evaluate, fit_terms, train
from fastnn.training.loss import resolve_loss
from fastnn.training.position import FitState, RunningFit
from fastnn.training.progress import check_verbose
from fastnn.validation import (
    check_samples,
    check_targets,
    check_weights,
    class_weights,
    positive_whole,
)

Array = np.ndarray[Any, Any]
Path = str | os.PathLike[str]

_PREDICTED_AT_ONCE = 1 << 14
"""Samples of one call into the backend: enough to share out, few enough for workspaces and Ctrl-C."""


class Sequential:
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

    def __init__(self, layers: Sequence[Layer] = (), *, dtype: Any = "float32", seed: int = 0,
                 backend: Backend | str | None = None, name: str = "sequential") -> None:  # fmt: skip
        self.name = name
        self.dtype = _float_dtype(dtype)
        self.seed = checked_integer("seed", seed, 2**64 - 1)
        self.layers: list[Layer] = []
        self.history = History()
        self._backend = None if backend is None else get_backend(backend)
        self._lock = threading.RLock()
        self._plan: Plan | None = None
        self._vector: Array | None = None
        self._statistics: Array | None = None
        self._carried = CarriedStates()
        self._handed = HandedStates()
        self._gradient: Array | None = None
        self._slots: Array | None = None
        self._executors: dict[tuple[str, str, bool], Executor] = {}
        self._counter = Counter()
        self.stop_training = False
        self._callbacks = CallbackList()
        self._fit: RunningFit | FitState | None = None
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = None
        self._metric_requests: list[Any] = []
        for layer in layers:
            self.add(layer)

    # --- building ---------------------------------------------------------------------------------

    def add(self, layer: Layer) -> None:
        """Append a layer, before the model is built."""
        if not isinstance(layer, Layer):
            raise InvalidTypeError(f"a model takes layers ({', '.join(LAYERS)}), got {layer!r}")
        if self._plan is not None:
            raise InvalidValueError("the model is built already; layers are added before its first use")
        if self.layers and self.layers[-1].returns_state:
            raise InvalidValueError(
                f"layer {len(self.layers) - 1}, {type(self.layers[-1]).__name__} with return_state=True, must be the"
                f" last, got {type(layer).__name__} behind it; predict with return_states=True gives all states"
            )
        self.layers.append(layer)

    def build(self, input_shape: Any = None, *, dtype: Any = None) -> None:
        """Fix the number of features and draw the initial weights.

        Called by the first ``fit``; call it earlier to see or set weights before.

        Parameters
        ----------
        input_shape : int or tuple
            ``D``, ``(D,)`` or ``(None, D)``; of images ``(height, width, channels)``, of sequences
            ``(steps, features)``, with or without a leading None.
        dtype : "float32" or "float64", optional
            Replaces the model's.
        """
        if isinstance(input_shape, tuple | list) and len(input_shape) > 1 and input_shape[0] is None:
            input_shape = input_shape[1:]
        shape = sample_shape(input_shape)
        stated = self.layers[0].stated_shape if self.layers else None
        shape = shape if shape is not None else stated
        if not self.layers:
            raise InvalidValueError("the model has no layers")
        if shape is None:
            raise InvalidValueError("build needs the number of features: build((None, D)), or input_shape= in a layer")
        if stated is not None and shape != stated:
            raise InvalidValueError(f"the first layer states samples of shape {stated}, got {shape}")
        wanted = self.dtype if dtype is None else _float_dtype(dtype)
        plan = self._make_plan(shape, None)
        vector = initial_vector(plan, wanted, self.seed, self.backend.random)
        statistics = initial_statistics(plan, wanted)
        # all at once, when nothing can fail any more: an initializer may raise, or Ctrl-C come while one compiles
        self.dtype, self._plan, self._vector, self._statistics = wanted, plan, vector, statistics
        self._carried = CarriedStates()
        self._reset_training()

    def _make_plan(self, shape: tuple[int, ...], loss: Loss | None, training: bool = False,
                   carries: bool = False, room: float = math.inf) -> Plan:  # fmt: skip
        builder = PlanBuilder(shape, training, carries)
        builder.room = room
        x = builder.inputs
        for number, layer in enumerate(self.layers):
            builder.layer = number
            x = layer.build(builder, x)
            builder.layer_shapes.append(x.shape)
        return builder.finish(x, loss, training)

    def _reset_training(self) -> None:
        """Forget optimizer state and whatever was lowered for an earlier loss or vector."""
        self._executors.clear()
        self._slots = None
        self._gradient = None
        self._counter = Counter()
        self._fit = None

    def compile(self, optimizer: Any = "sgd", loss: Any = None, metrics: Sequence[Any] | None = None, *,
                backend: Backend | str | None = None) -> None:  # fmt: skip
        """Choose how the model is trained.

        Parameters
        ----------
        optimizer : str or Optimizer
            Its state starts anew.
        loss : str, Loss or callable
            A plain function of ``(y_true, y_pred)`` is traced and differentiated.
        metrics : sequence of str, Metric or callable, optional
        backend : str or module, optional
            Replaces the model's.
        """
        chosen = optimizers.get(optimizer)
        if loss is None:
            raise InvalidValueError(f"compile needs a loss, one of {', '.join(losses.LOSSES)}, a Loss or a function")
        wanted = resolve_loss(loss)
        requests = list(metrics or [])
        if isinstance(metrics, str):
            raise InvalidTypeError(f"metrics must be a list, got {metrics!r}; did you mean [{metrics!r}]?")
        for request in requests:
            _metrics([request], wanted, 2)
        if backend is not None:
            self._backend = get_backend(backend)
        self.optimizer, self.loss, self._metric_requests = chosen, wanted, requests
        self._reset_training()

    @property
    def backend(self) -> Backend:
        """The backend module that computes; fixed when first asked for."""
        if self._backend is None:
            self._backend = get_backend()
        return self._backend

    @property
    def iterations(self) -> int:
        """Number of updates made since the model was built or compiled, over all calls."""
        return self._counter.step

    @property
    def built(self) -> bool:
        """Whether the model has weights."""
        return self._plan is not None

    def _built_plan(self) -> Plan:
        if self._plan is None:
            if self.layers and self.layers[0].stated_shape is not None:
                self.build()
            else:
                raise NotBuiltError("the model has no weights yet: call fit, or build((None, features))")
        assert self._plan is not None
        return self._plan

    def _compiled(self) -> tuple[Optimizer, Loss]:
        if self.optimizer is None or self.loss is None:
            raise NotBuiltError("the model is not compiled: call compile(optimizer, loss)")
        return self.optimizer, self.loss

    def _executor(self, use: str, handed: bool = False) -> Executor:
        """Return what runs the programs of one use of the network: "predict", "evaluate" or "train".

        With ``handed``, all recurrent layers start from the states in ``self._handed`` and leave theirs there.
        """
        plan, key = self._built_plan(), (backend_name(self.backend), use, handed)
        if key not in self._executors:
            assert self._vector is not None
            shape = plan.inputs.shape
            carried = self._handed.values if handed else self._carried.values
            if use == "predict":
                state = State(self._vector, statistics=self._statistics, carried=carried)
                plan = self._make_plan(shape, None, carries=True) if handed else plan
                self._executors[key] = self.backend.executor(plan, self.dtype, state)
            elif use == "evaluate":
                state = State(self._vector, statistics=self._statistics, carried=carried)
                plan = self._make_plan(shape, self._compiled()[1], carries=handed)
                self._executors[key] = self.backend.executor(plan, self.dtype, state)
            else:
                optimizer, loss = self._compiled()
                if self._slots is None:
                    starts = np.array(optimizer.rule.slots, self.dtype).reshape(-1, 1)
                    self._slots = np.repeat(starts, plan.size, axis=1)
                    self._gradient = np.zeros(plan.size, self.dtype)
                state = State(self._vector, self._gradient, self._slots, self._statistics, carried)
                plan = self._make_plan(shape, loss, True, handed)
                self._executors[key] = self.backend.executor(plan, self.dtype, state, optimizer)
        return self._executors[key]

    # --- stateful layers --------------------------------------------------------------------------

    def reset_states(self) -> None:
        """Let stateful layers start from zeros again; the next batch may have another number of samples."""
        with self._lock:
            self._carried.reset()

    def _carry(self, batch: int, samples: int, *, leaves: bool = True) -> None:
        """Make room for what stateful layers carry from batch to batch, or raise where the batches do not fit."""
        if self._carried.make_room(self._built_plan().carried_rows, batch, samples, self.dtype, leaves=leaves):
            self._executors.clear()

    def _batch(self, batch_size: int | None, samples: int) -> int | None:
        """Return the batch of a model with stateful layers, by default all samples; None for others."""
        if not self._built_plan().carried_rows:
            return None
        return samples if batch_size is None else positive_whole("batch_size", batch_size)

    def _states(self, given: Any, shape: tuple[int, ...], samples: int, allow_nonfinite: bool) -> Array:
        """Return the states (C, N) that a caller hands in for samples of a shape, zeros for those left out."""
        if self._forward_plan(shape).carried_rows:
            raise InvalidValueError(
                "stateful layers keep their states themselves: initial_states, return_states and return_state are"
                " for layers without stateful=True"
            )
        return put_together(self._make_plan(shape, None, carries=True), given, samples, self.dtype, allow_nonfinite)

    def _step(self, program: str, data: Data, states: Array | None, **options: Any) -> Array:
        """Run one step of a program on all samples of ``data``; states handed in are replaced by the last ones."""
        use = "train" if program == "gradients" else program
        if states is None:
            return self._executor(use).run(program, data, data.samples, **options)
        if self._handed.make_room(len(states), data.samples, self.dtype):
            self._executors = {key: executor for key, executor in self._executors.items() if not key[2]}
        self._handed.of(data.samples)[...] = states
        found = self._executor(use, handed=True).run(program, data, data.samples, **options)
        states[...] = self._handed.of(data.samples)
        return found

    # --- weights ----------------------------------------------------------------------------------

    @property
    def parameters(self) -> Array:
        """All weights as one flat vector (P,): a view, so writing into it changes the model."""
        self._built_plan()
        assert self._vector is not None
        return self._vector

    @property
    def weights(self) -> dict[str, Array]:
        """Views of the weights by name: ``{"W1": (units, inputs), "b1": (units,), ...}``."""
        return named_views(self._built_plan(), self.parameters)

    @property
    def statistics(self) -> dict[str, Array]:
        """Views of what layers measure in training, by name: ``{"mean2": (channels,), "variance2": ...}``."""
        plan = self._built_plan()
        assert self._statistics is not None
        return named_statistics(plan, self._statistics)

    def get_weights(self) -> list[Array]:
        """Return copies of the weights in Keras' order and layout, by layer: kernel (inputs, units), bias (units,).

        Moving statistics are among them: gamma, beta, moving mean, moving variance.
        """
        plan = self._built_plan()
        assert self._statistics is not None
        return keras_arrays(plan, self.parameters, self._statistics)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the weights from arrays laid out as ``get_weights``; all are checked before one is written."""
        plan = self._built_plan()
        assert self._statistics is not None
        load_keras_arrays(plan, self.parameters, self._statistics, weights)

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

    def summary(self, print_fn: Callable[[str], Any] | None = print) -> str:
        """Print, and return, a table of layers, output shapes and parameter counts."""
        table = summary_table(self.name, self.layers, self._built_plan())
        if print_fn is not None:
            print_fn(table)
        return table

    def export_onnx(self, path: str | os.PathLike[str], *, dtype: Any = None) -> None:
        """Write the model as an ONNX file; see ``fastnn.exchange.export_onnx``."""
        # a floor up, and optional: loaded by those who ask for it
        from fastnn.exchange import export_onnx

        export_onnx(self, path, dtype=dtype)

    # --- data -------------------------------------------------------------------------------------

    def _check_data(self, x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None,
                    allow_nonfinite: bool, prefix: str = "") -> Evaluation:  # fmt: skip
        _, loss = self._compiled()
        shape = self._plan.inputs.shape if self._plan is not None else (
            self.layers[0].stated_shape if self.layers else None
        )  # fmt: skip
        samples, found = check_samples(prefix + "x", x, shape, self.dtype, allow_nonfinite=allow_nonfinite)
        if self.layers:
            self.layers[0].check_input(prefix + "x", samples, self.dtype)
        outputs = self._forward_plan(found).outputs.shape
        targets = check_targets(prefix + "y", y, len(samples), outputs, loss, self.dtype,
                                allow_nonfinite=allow_nonfinite)  # fmt: skip
        weight = check_weights(prefix + "sample_weight", sample_weight, len(samples), self.dtype)
        weight = class_weights(class_weight, targets, outputs, weight, self.dtype)
        return Evaluation(Data(samples, targets, weight), targets, weight, found)

    def _forward_plan(self, shape: tuple[int, ...]) -> Plan:
        """Return the plan for samples of a shape, also of a model that is not built yet."""
        return self._plan if self._plan is not None else self._make_plan(shape, None)

    def _metrics(self) -> list[Metric]:
        assert self.loss is not None
        return _metrics(self._metric_requests, self.loss, self._built_plan().outputs.shape[-1])

    def _counted_steps(self) -> Callable[[Array], Array] | None:
        """Return what says which steps metrics count; None for all."""
        if not self._metric_requests:
            return None
        return counted_steps(self._built_plan(), self.dtype, State(self.parameters), self.backend)

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
        everything = self._check_data(x, y, sample_weight, None, allow_nonfinite)
        training, validation = self._split(everything, validation_split, validation_data, allow_nonfinite)
        training = self._with_class_weights(training, class_weight)
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
                            self._callbacks, self._fit.position, counts=self._counted_steps())  # fmt: skip
            self.stop_training = before.stop
            self.history = history
            train(task, self._counter, history)
        return history

    def _with_class_weights(self, what: Evaluation, class_weight: Mapping[int, float] | None) -> Evaluation:
        outputs = self._forward_plan(what.shape).outputs.shape
        weight = class_weights(class_weight, what.y, outputs, what.weight, self.dtype)
        return Evaluation(Data(what.data.x, what.data.y, weight), what.y, weight, what.shape)

    def _split(self, everything: Evaluation, share: float, given: Any,
               allow_nonfinite: bool) -> tuple[Evaluation, Evaluation | None]:  # fmt: skip
        """Return training and validation data."""
        if given is not None:
            if not isinstance(given, tuple | list) or len(given) not in (2, 3):
                raise InvalidTypeError(
                    f"validation_data must be (x, y) or (x, y, sample_weight), got {type(given).__name__}"
                )
            weight = given[2] if len(given) == 3 else None
            found = self._check_data(given[0], given[1], weight, None, allow_nonfinite, "validation ")
            if found.shape != everything.shape:
                raise InvalidValueError(
                    f"validation x must have samples of shape {everything.shape}, got {found.shape}"
                )
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
        what = self._check_data(x, y, sample_weight, class_weight, allow_nonfinite)
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
        what = self._check_data(x, y, sample_weight, None, allow_nonfinite)
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
        what = self._check_data(x, y, sample_weight, None, allow_nonfinite)
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
        plan = self._built_plan()
        samples, _ = check_samples("x", x, plan.inputs.shape, self.dtype, allow_empty=True,
                                   allow_nonfinite=allow_nonfinite)  # fmt: skip
        self.layers[0].check_input("x", samples, self.dtype)
        out = np.empty((len(samples), plan.outputs.rows), self.dtype)
        listed = self.layers[-1].returns_state
        with self._lock:
            states = None
            if initial_states is not None or return_states or listed:
                states = self._states(initial_states, plan.inputs.shape, len(samples), allow_nonfinite)
            batch = self._batch(batch_size, len(samples)) if len(samples) else None
            if batch is not None:
                self._carry(batch, len(samples))
            at_once = batch or _PREDICTED_AT_ONCE
            for first in range(0, len(samples), at_once):
                part = slice(first, first + at_once)
                self._step("predict", Data(samples[part]), None if states is None else states[:, part], out=out[part])
            outputs: Any = out.reshape(len(out), *plan.outputs.shape)
            by_layer = self._by_layer(states)
        if listed:
            outputs = [outputs, *by_layer[len(self.layers) - 1]]
        return (outputs, by_layer) if return_states else outputs

    def _by_layer(self, states: Array | None) -> States:
        if states is None:
            return {}
        return taken_apart(self._make_plan(self._built_plan().inputs.shape, None, carries=True), states)

    def predictor(self) -> Predictor:
        """Return a frozen, thread-safe callable for single samples: what ``predict`` gives now, in a microsecond.

        ``predictor(x)`` takes one sample, or several. Later training does not change it.
        """
        with self._lock:
            return Predictor(self)

    def layer_outputs(self, x: Any, *, allow_nonfinite: bool = False) -> list[Array]:
        """Return what every layer puts out, an array (N, ...) each; the last one is ``predict(x)``, to the bit.

        Stateful layers start from what they carry and leave it as it is.
        """
        plan = self._built_plan()
        samples, _ = check_samples("x", x, plan.inputs.shape, self.dtype, allow_nonfinite=allow_nonfinite)
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

    def __getstate__(self) -> dict[str, Any]:
        return state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)

    def __repr__(self) -> str:
        return f"<Sequential {self.name!r}: {len(self.layers)} layers, {self.dtype}>"


def _metrics(requests: Sequence[Any], loss: Loss, outputs: int) -> list[Metric]:
    return [metrics.resolve(request, loss, outputs) for request in requests]


def _float_dtype(dtype: Any) -> np.dtype[Any]:
    try:
        # NumPy takes None for float64, and a dtype of float64 equals None
        found = np.dtype("O" if dtype is None else dtype)
    except TypeError:
        found = np.dtype("O")
    if found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise InvalidValueError(f"dtype must be float32 or float64, got {dtype!r}")
    return found


__all__ = ["Sequential", "resolve_loss"]
