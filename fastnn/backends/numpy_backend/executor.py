"""Walks a plan in a Python loop, one whole minibatch at a time: the definition of every result.

Nothing here is fast. Each op is a line of ``_OPS`` that hands arrays to the function of its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends.numpy_backend import (
    convolution,
    embedding,
    finite,
    layer_normalization,
    masks,
    noise,
    normalization,
    pooling,
    prelu,
    rearrange,
    recurrent,
    sums,
)
from fastnn.backends.numpy_backend.activation import activation_backward, activation_forward
from fastnn.backends.numpy_backend.branch import add_in_place
from fastnn.backends.numpy_backend.dense import dense_backward_input, dense_backward_weights, dense_forward
from fastnn.backends.numpy_backend.loss import (
    loss_gradient,
    loss_value,
    softmax_crossentropy_gradient,
    softmax_crossentropy_value,
)
from fastnn.backends.numpy_backend.penalty import activity_penalty_gradient, activity_penalty_value
from fastnn.backends.numpy_backend.reduction import sum_row
from fastnn.backends.numpy_backend.update import (
    add_penalty_gradient,
    clip_by_norm,
    clip_by_value,
    mean_gradient,
    optimizer_update,
    penalty_sum,
)
from fastnn.optimizers import Optimizer
from fastnn.plan.data import Data
from fastnn.plan.executor import NO_DRAW, Draw, State
from fastnn.plan.plan import Carried, Op, Parameter, Plan, Tensor

Array = np.ndarray[Any, Any]
Operands = dict[str, Any]


_OPS: dict[str, Callable[[Operands, dict[str, Any]], Any]] = {
    # kind: what it writes, from its operands and what is fixed; a tuple where it writes several
    "dense_forward": lambda o, s: dense_forward(o["W"], o["b"], o["A"], s["positions"]),
    "dense_backward_input": lambda o, s: dense_backward_input(o["W"], o["dZ"], s["positions"]),
    "activation_forward": lambda o, s: activation_forward(s["activation"], o["Z"], s["positions"]),
    "activation_backward": lambda o, s: activation_backward(s["activation"], o["Z"], o["A"], o["dA"], s["positions"]),
    "add": lambda o, s: o["A"] + o["B"],
    "multiply": lambda o, s: o["A"] * o["B"],
    "add_in_place": lambda o, s: add_in_place(o["A"], o["B"]),
    "copy": lambda o, s: o["A"].copy(),
    "carry_in": lambda o, s: o["S"].copy(),
    "carry_out": lambda o, s: o["A"].copy(),
    "loss_value": lambda o, s: loss_value(
        s["formula"], s["mean"], s["delta"], o["Y"], o["P"], o["weight"][0], s["positions"], o["K"]
    )[None],
    "loss_gradient": lambda o, s: loss_gradient(
        s["formula"], s["mean"], s["delta"], s["fused"], o["Y"], o["P"], o["A"], o["weight"][0], s["positions"]
    ),
    "softmax_crossentropy_value": lambda o, s: softmax_crossentropy_value(
        o["Y"], o["Z"], o["weight"][0], s["positions"], o["K"]
    )[None],
    "softmax_crossentropy_gradient": lambda o, s: softmax_crossentropy_gradient(
        o["Y"], o["Z"], o["weight"][0], s["positions"]
    ),
    "activity_penalty_value": lambda o, s: activity_penalty_value(
        s["l1"], s["l2"], o["A"], o["weight"][0], o["terms"][0]
    )[None],
    "activity_penalty_gradient": lambda o, s: activity_penalty_gradient(
        s["l1"], s["l2"], o["A"], o["weight"][0], o["dA"]
    ),
    **convolution.OPS,
    **embedding.OPS,
    **layer_normalization.OPS,
    **masks.OPS,
    **noise.OPS,
    **normalization.OPS,
    **pooling.OPS,
    **prelu.OPS,
    **rearrange.OPS,
    **recurrent.OPS,
    **sums.OPS,
}

_GRADIENTS: dict[str, Callable[[Operands, dict[str, Any]], dict[str, Array]]] = {
    # kind: sums over the samples, by the operand whose gradient they are
    "dense_backward_weights": lambda o, s: dict(
        zip("Wb", dense_backward_weights(o["dZ"], o["A"], s["positions"]), strict=True)
    ),
    **convolution.GRADIENTS,
    **embedding.GRADIENTS,
    **sums.GRADIENTS,
}


class NumpyExecutor:
    """Runs the programs of a plan with NumPy.

    Parameters
    ----------
    plan : Plan
    dtype : numpy dtype
    state : State
    optimizer : Optimizer, optional
        Needed for ``train``.
    """

    def __init__(self, plan: Plan, dtype: Any, state: State, optimizer: Optimizer | None = None) -> None:
        self.plan = plan
        self.dtype = np.dtype(dtype)
        self.state = state
        self.optimizer = optimizer
        self._draw = NO_DRAW
        self._program, self._samples = "", 0

    def run(self, program: str, data: Data, batch: int, steps: int = 1, first: int = 0, scalars: Array | None = None,
            out: Array | None = None, draw: Draw = NO_DRAW, check: bool = False) -> Array:  # fmt: skip
        """Run ``steps`` steps of a program; see ``fastnn.plan.executor.Executor``."""
        losses = np.zeros((steps, 2))
        start = first
        with np.errstate(all="ignore"):
            for step in range(steps):
                n = min(batch, data.samples - first)
                self._draw = Draw(draw.seed, draw.step + step)
                self._step(program, data, first, n, None if scalars is None else scalars[step], out, first - start,
                           losses[step])  # fmt: skip
                if check:
                    rows = slice(first, first + n) if data.order is None else data.order[first : first + n]
                    losses[step, 0] = not finite.all_finite(data.x[rows])
                first = first + n if first + n < data.samples else 0
        return losses

    def _step(self, program: str, data: Data, first: int, n: int, scalars: Array | None, out: Array | None,
              out_row: int, losses: Array) -> None:  # fmt: skip
        plan = self.plan
        self._program, self._samples = program, n
        rows = slice(first, first + n) if data.order is None else data.order[first : first + n]
        values = {plan.inputs.index: np.ascontiguousarray(data.x[rows].T, self.dtype)}
        self._walk(plan.forward, values)
        if out is not None:
            out[out_row : out_row + n] = values[plan.outputs.index].T
        if program == "predict":
            return
        assert plan.targets is not None and plan.weights is not None and plan.terms is not None
        values[plan.targets.index] = self._targets(data, rows)
        weight = np.ones(n, self.dtype) if data.weight is None else data.weight[rows]
        values[plan.weights.index] = weight[None]
        self._walk(plan.value, values)
        losses[0] = sum_row(values[plan.terms.index][0])
        losses[1] = self._penalty()
        if program == "evaluate":
            return
        self._walk(plan.backward, values)
        gradient = self._gradient(values, n)
        if program == "gradients":
            assert self.state.gradients is not None
            self.state.gradients[...] = gradient
            return
        assert self.optimizer is not None and self.state.slots is not None and scalars is not None
        gradient = self._clip(gradient)
        optimizer_update(self.optimizer.rule, self.state.parameters, gradient, tuple(self.state.slots), scalars)

    def _targets(self, data: Data, rows: Any) -> Array:
        assert self.plan.loss is not None and self.plan.targets is not None and data.y is not None
        y = data.y[rows]
        if self.plan.loss.labels:
            classes = np.arange(self.plan.targets.shape[-1])
            labels = y.reshape(len(y), -1).T  # position by position
            return (classes[:, None] == labels[:, None]).astype(self.dtype).reshape(-1, len(y))
        return np.ascontiguousarray(y.reshape(len(y), -1).T, self.dtype)

    def _operand(self, what: Tensor | Parameter | Carried | None, values: dict[int, Array]) -> Array | None:
        if what is None:
            return None
        if isinstance(what, Carried):
            assert self.state.carried is not None
            return self.state.carried[what.offset : what.offset + what.rows, : self._samples]
        if isinstance(what, Parameter):
            vector = self.state.parameters if what.trained else self.state.statistics
            assert vector is not None
            return vector[what.offset : what.offset + what.size].reshape(what.shape)
        return values.get(what.index)

    def _operands(self, op: Op, values: dict[int, Array]) -> Operands:
        return {name: self._operand(what, values) for name, what in op.operands.items()}

    def _walk(self, ops: tuple[Op, ...], values: dict[int, Array]) -> None:
        for op in ops:
            found = _OPS[op.kind](self._operands(op, values), {**op.static, "draw": self._draw})
            results = found if isinstance(found, tuple) else (found,)
            for name, result in zip(op.writes, results, strict=True):
                written = op.operands[name]
                if isinstance(written, Tensor):
                    values[written.index] = result
                elif isinstance(written, Carried) and self._program != "gradients":
                    place = self._operand(written, values)
                    assert place is not None
                    place[...] = result
                elif isinstance(written, Parameter) and self._program == "train":
                    assert self.state.statistics is not None
                    self.state.statistics[written.offset : written.offset + written.size] = result.reshape(-1)

    def _penalty(self) -> Any:
        total = self.dtype.type(0)
        for p in self.plan.parameters:
            if p.l1 or p.l2:
                total += penalty_sum(self.state.parameters[p.offset : p.offset + p.size], p.l1, p.l2)
        return total

    def _gradient(self, values: dict[int, Array], samples: int) -> Array:
        gradient = np.zeros(self.plan.size, self.dtype)
        for op in self.plan.gradients:
            totals = _GRADIENTS[op.kind](self._operands(op, values), dict(op.static))
            for name, total in totals.items():
                parameter = op.operands[name]
                if isinstance(parameter, Parameter):
                    at = slice(parameter.offset, parameter.offset + parameter.size)
                    gradient[at] = mean_gradient(total, samples).reshape(-1)
        for p in self.plan.parameters:
            if p.l1 or p.l2:
                at = slice(p.offset, p.offset + p.size)
                gradient[at] = add_penalty_gradient(gradient[at], self.state.parameters[at], p.l1, p.l2)
        return gradient

    def _clip(self, gradient: Array) -> Array:
        assert self.optimizer is not None
        if self.optimizer.clipvalue is not None:
            return clip_by_value(gradient, self.optimizer.clipvalue)
        if self.optimizer.global_clipnorm is not None:
            return clip_by_norm(gradient, self.optimizer.global_clipnorm)
        if self.optimizer.clipnorm is not None:
            for p in self.plan.parameters:
                at = slice(p.offset, p.offset + p.size)
                gradient[at] = clip_by_norm(gradient[at], self.optimizer.clipnorm)
        return gradient
