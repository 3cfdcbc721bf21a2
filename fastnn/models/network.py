"""What a model is: layers, the flat vectors of its weights and of its optimizer's state, and what runs them.

Which of it trains and predicts stands in ``sequential.py``. A plan is made of the layers anew for each use of the
network (prediction, evaluation, training); its executor is kept until the vectors it works on are replaced.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn import losses, metrics, optimizers
from fastnn.backends import Backend, backend_name, get_backend
from fastnn.callbacks.runner import CallbackList
from fastnn.errors import InvalidTypeError, InvalidValueError, NotBuiltError
from fastnn.layers import LAYERS, Layer
from fastnn.layers.base import sample_shape
from fastnn.losses import Loss
from fastnn.metrics import Metric
from fastnn.models.carried import CarriedStates
from fastnn.models.copies import restore, state_of
from fastnn.models.counted_steps import counted_steps
from fastnn.models.executors import Executors
from fastnn.models.few_rows import FewRows
from fastnn.models.states import HandedStates, put_together
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
from fastnn.plan.executor import Executor, State
from fastnn.random.counter import checked_integer
from fastnn.training.history import History
from fastnn.training.loop import Counter
from fastnn.training.loss import resolve_loss
from fastnn.training.position import FitState, RunningFit
from fastnn.validation import (
    float_dtype,
    positive_whole,
)

Array = np.ndarray[Any, Any]


class Network:
    """A stack of layers with weights; the base of ``Sequential``, which says what the arguments are."""

    def __init__(self, layers: Sequence[Layer] = (), *, dtype: Any = "float32", seed: int = 0,
                 backend: Backend | str | None = None, name: str = "sequential") -> None:  # fmt: skip
        self.name = name
        self.dtype = float_dtype(dtype)
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
        self._executors = Executors()
        self._few = FewRows()
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
        wanted = self.dtype if dtype is None else float_dtype(dtype)
        plan = self._make_plan(shape, None)
        vector = initial_vector(plan, wanted, self.seed, self.backend.random)
        statistics = initial_statistics(plan, wanted)
        # all at once, when nothing can fail any more: an initializer may raise, or Ctrl-C come while one compiles
        self.dtype, self._plan, self._vector, self._statistics = wanted, plan, vector, statistics
        self._carried = CarriedStates()
        self._reset_training()
        self._executors.clear()

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
        """Forget optimizer state; what was lowered is used again only for the same plan, vectors and arithmetic."""
        self._executors.retire()
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

    def _finite(self, x: Array) -> bool:
        """Return whether an array is finite, by the backend that would compute; which one is not fixed by that."""
        return (self._backend or get_backend()).all_finite(x)

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
        key = backend_name(self.backend), use, handed
        return self._executors.get(key) or self._new_executor(key, self._built_plan())

    def _new_executor(self, key: tuple[str, str, bool], plan: Plan) -> Executor:
        _, use, handed = key
        assert self._vector is not None
        shape = plan.inputs.shape
        carried = self._handed.values if handed else self._carried.values
        optimizer = None
        if use == "predict":
            plan = self._make_plan(shape, None, carries=True) if handed else plan
        elif use == "evaluate":
            plan = self._make_plan(shape, self._compiled()[1], carries=handed)
        else:
            optimizer, loss = self._compiled()
            plan = self._make_plan(shape, loss, True, handed)
        state = State(self._vector, None, self._slots if optimizer else None, self._statistics, carried)
        found = self._executors.of_before(key, plan, state, optimizer)
        if optimizer is not None and self._slots is None:
            starts = np.array(optimizer.rule.slots, self.dtype).reshape(-1, 1)
            if found is None:
                self._gradient = np.zeros(plan.size, self.dtype)
                self._slots = np.repeat(starts, plan.size, axis=1)
            else:
                assert found.state.slots is not None
                self._gradient, self._slots = found.state.gradients, found.state.slots
                self._slots[...] = starts
        if found is None:
            if optimizer is not None:
                state = replace(state, gradients=self._gradient, slots=self._slots)
            found = self.backend.executor(plan, self.dtype, state, optimizer)
        return self._executors.keep(key, found, optimizer)

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
            for key in [key for key in self._executors if key[2]]:
                del self._executors[key]
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

    def summary(self, print_fn: Callable[[str], Any] | None = print) -> str:
        """Print, and return, a table of layers, output shapes and parameter counts."""
        table = summary_table(self.name, self.layers, self._built_plan())
        if print_fn is not None:
            print_fn(table)
        return table

    # --- what training and prediction ask for ------------------------------------------------------

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

    # --- copies -----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {len(self.layers)} layers, {self.dtype}>"


def _metrics(requests: Sequence[Any], loss: Loss, outputs: int) -> list[Metric]:
    return [metrics.resolve(request, loss, outputs) for request in requests]


__all__ = ["Network"]
