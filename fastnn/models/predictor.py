"""A frozen model for single samples: a callable with its own copy of the weights, packed for one row at a time.

What control loops and services want: no checks beyond the sample's own, no lock, no threads, a microsecond a call for
a small network, four for 784-128-10. The bits are those of ``Sequential.predict``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.plan.data import Data
from fastnn.plan.executor import State
from fastnn.validation import check_samples

if TYPE_CHECKING:
    from fastnn.models.sequential import Sequential

Array = np.ndarray[Any, Any]

READY = 0x101
"""``ndarray.flags.num`` of an array that compiled code can read as it is: C-contiguous and aligned."""

ROWS_ONE_BY_ONE = 4
"""Samples that are sent through one after another; more go through as a block."""


class Predictor:
    """Predictions of a model as it stood when this was made; threads may share it.

    Made by ``Sequential.predictor``. Networks of dense layers run sample by sample on packed weights; others run as in
    ``predict``, where calls from several threads take turns.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
        Of a sample.
    dtype : numpy dtype
    """

    def __init__(self, model: Sequential) -> None:
        vector, plan = model.parameters.copy(), model._built_plan()
        if plan.carried_rows:
            raise InvalidValueError("a predictor has no states to carry on: layers with stateful=True need predict")
        if model.layers[-1].returns_state:
            raise InvalidValueError("a predictor returns outputs alone: a layer with return_state=True needs predict")
        statistics = None if model._statistics is None else model._statistics.copy()
        state = State(vector, statistics=statistics)
        self.input_shape, self.output_shape, self.dtype = plan.inputs.shape, plan.outputs.shape, model.dtype
        self._features, self._outputs = plan.inputs.rows, plan.outputs.rows
        self._rank = len(self.input_shape)
        self._first_layer = model.layers[0]
        self._executor = model.backend.executor(plan, self.dtype, state)
        self._rows = rows = model.backend.row_function(plan, self.dtype, state, frozen=True)
        # one sample of a shape wanted takes a way of its own; None matches no array
        self._sample: tuple[int, ...] | None = None
        self._row: tuple[int, ...] | None = None
        if rows is not None and self._rank == 1:
            self._sample, self._row = self.input_shape, (1, *self.input_shape)
            self._one, self._several = rows
        self._result = (1, self._outputs)

    def __call__(self, x: Any) -> Array:
        """Return the outputs of one sample, (M,) of (D,), or of several, (N, M) of (N, D).

        Parameters
        ----------
        x : array_like
            Of shape ``input_shape``, or with an axis of samples before it. Quickest is a C-contiguous array of the
            model's dtype.

        Raises
        ------
        InvalidValueError, InvalidTypeError
            For another shape, for NaN and infinity, for what is no number.
        """
        if type(x) is np.ndarray and x.dtype is self.dtype and x.flags.num & READY == READY:
            shape = x.shape
            if shape == self._sample:
                out = np.empty(self._outputs, self.dtype)
                if self._one(x, out):
                    return out
            elif shape == self._row:
                out = np.empty(self._result, self.dtype)
                if self._several(x, out):
                    return out
        return self._any(x)  # which also says what is wrong

    def _any(self, x: Any) -> Array:
        if np.ndim(x) not in (self._rank, self._rank + 1):
            wanted = ", ".join(map(str, self.input_shape))
            raise InvalidValueError(f"x must have shape ({wanted}) or (samples, {wanted}), got {np.shape(x)}")
        single = np.ndim(x) == self._rank
        samples, _ = check_samples("x", np.asarray(x)[None] if single else x, self.input_shape, self.dtype,
                                   allow_empty=True)  # fmt: skip
        self._first_layer.check_input("x", samples, self.dtype)
        out = np.empty((len(samples), self._outputs), self.dtype)
        if self._rows is not None and len(samples) <= ROWS_ONE_BY_ONE:
            with np.errstate(over="ignore"):  # float64 beyond float32, as an executor converts it
                self._rows.several(np.require(samples, self.dtype, ("C", "A")), out)
        elif len(samples):
            self._executor.run("predict", Data(samples), len(samples), out=out)
        out = out.reshape(len(samples), *self.output_shape)
        return out[0] if single else out

    def __reduce__(self) -> NoReturn:
        raise InvalidTypeError("a predictor holds compiled code: pickle or copy the model, and call its predictor()")

    def __repr__(self) -> str:
        return f"<Predictor: {self.input_shape} to {self.output_shape}, {self.dtype}>"


__all__ = ["Predictor"]
