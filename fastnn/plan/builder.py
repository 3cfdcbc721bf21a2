"""Builds a plan: layers emit forward ops, the builder derives the backward ones.

``PlanBuilder`` is the only thing a layer needs to know. A layer makes tensors and parameters and emits ops; each kind
of op that it can emit has a rule in ``gradients.py`` that emits its gradients. The tape is walked once, backwards, when
the loss is known.
"""

from __future__ import annotations

import math
from typing import Any

from fastnn.activations import Activation
from fastnn.errors import InvalidValueError
from fastnn.losses import Loss
from fastnn.plan.gradients import GRADIENT_RULES
from fastnn.plan.masks import step_mask
from fastnn.plan.plan import Carried, KerasLayout, Op, Parameter, Plan, Tensor

Operand = Tensor | Parameter | Carried | None

_LONGEST_NAME = 60


class PlanBuilder:
    """Collects the tensors, parameters and ops of one network.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of a sample.
    training : bool
        Whether layers that behave otherwise in training (dropout, batch normalization) emit what they do there.
    carries : bool
        Whether all recurrent layers, not just stateful ones, read their first states and leave their last ones.
    """

    def __init__(self, shape: int | tuple[int, ...], training: bool = False, carries: bool = False) -> None:
        self.training = training
        self.carries = carries
        self.tensors: list[Tensor] = []
        self.parameters: list[Parameter] = []
        self.size = 0
        self.statistics: list[Parameter] = []
        self.statistics_size = 0
        self.carried: list[Carried] = []
        self.forward: list[Op] = []
        self.backward: list[Op] = []
        self.gradients: list[Op] = []
        self.layer = -1
        self.path: tuple[int, ...] = ()
        self._numbers: dict[tuple[int, ...], int] = {}
        self.layer_shapes: list[tuple[int, ...]] = []
        self.room: float = math.inf
        self._draws = 0
        self.masks: dict[int, Tensor] = {}  # of sequences: index to a row per step, 0 where it is to be passed over
        self.unmasked: set[tuple[int, tuple[int, ...]]] = set()  # sequences known to have none
        self._learns: set[int] = set()
        self.deltas: dict[int, Tensor] = {}
        self.inputs = self.tensor(shape, "A0")

    # --- what layers use --------------------------------------------------------------------------

    def tensor(self, shape: int | tuple[int, ...], name: str, of_minibatch: bool = False) -> Tensor:
        """Add a tensor whose samples have ``shape``; with ``of_minibatch``, one that is shared by all samples."""
        shape = (shape,) if isinstance(shape, int) else shape
        if len(name) > _LONGEST_NAME:  # names of sums hold those of their terms
            name = name[: _LONGEST_NAME - 3] + "..."
        tensor = Tensor(len(self.tensors), math.prod(shape), name, shape, of_minibatch)
        self.tensors.append(tensor)
        return tensor

    def take_room(self, entries: int) -> None:
        """Say that a table of so many entries is about to be made, or raise an error where ``room`` is too little.

        There is no limit but for plans of files, which may say anything.
        """
        self.room -= entries
        if self.room < 0:
            raise InvalidValueError("tables of where a sample's values go would take too much memory")

    def number(self) -> int:
        """Return the number, from 1, of the current layer among those that have parameters."""
        return self._numbers.setdefault((self.layer, *self.path), len(self._numbers) + 1)

    def draw(self) -> int:
        """Return the number of the next op that draws random numbers: its stream, whatever stands around it."""
        self._draws += 1
        return self._draws - 1

    def parameter(self, kind: str, shape: tuple[int, ...], initializer: Any, fans: tuple[int, int],
                  penalty: tuple[float, float] = (0.0, 0.0), trained: bool = True,
                  keras: KerasLayout | None = None) -> Parameter:  # fmt: skip
        """Add an array named ``kind`` and the layer's number.

        Parameters
        ----------
        kind : str
            ``"W"``, ``"b"``.
        shape : tuple of int
        initializer : object
            A ``fastnn.initializers`` initializer.
        fans : tuple of int
            Inputs and outputs of one unit.
        penalty : tuple of float
            (l1, l2).
        trained : bool
            Whether gradients move it; if not, it is a statistic that the layer's own ops write.
        keras : KerasLayout, optional
            How Keras stores it; None for the axes in reverse.
        """
        name = f"{kind}{self.number()}"
        offset = self.size if trained else self.statistics_size
        place = len(self.parameters) + len(self.statistics)
        parameter = Parameter(name, shape, offset, self.layer, initializer, *fans, *penalty, trained, keras, place)
        if trained:
            self.parameters.append(parameter)
            self.size += parameter.size
        else:
            self.statistics.append(parameter)
            self.statistics_size += parameter.size
        return parameter

    def emit(self, kind: str, static: dict[str, Any] | None = None, writes: tuple[str, ...] = (),
             **operands: Operand) -> None:  # fmt: skip
        """Append a forward op. ``writes`` names the operands it writes.

        What an op writes depends on weights if the op reads any, or a tensor that does; only such tensors get
        gradients.
        """
        self.forward.append(Op(kind, operands, static or {}, writes))
        read = [what for name, what in operands.items() if name not in writes and not isinstance(what, Carried)]
        if any(what.trained if isinstance(what, Parameter) else what is not None and what.index in self._learns
               for what in read):  # fmt: skip
            self._learns |= {what.index for name in writes if isinstance(what := operands[name], Tensor)}

    def carry(self, rows: int, name: str, parts: int = 1) -> tuple[Tensor, Carried]:
        """Emit the reading of ``rows`` rows, of so many states, that the step before left.

        Returns
        -------
        Tensor, Carried
            The rows, and where to leave those for the next step.
        """
        offset = self.carried[-1].offset + self.carried[-1].rows if self.carried else 0
        place = Carried(offset, rows, self.layer, parts)
        self.carried.append(place)
        x = self.tensor(rows, name)
        self.emit("carry_in", None, ("A",), A=x, S=place)
        return x, place

    def dense(self, x: Tensor, weights: Parameter, bias: Parameter | None) -> Tensor:
        """Emit ``Z = W A + b`` and return Z.

        ``x`` has shape (..., features): every position of the leading axes is multiplied by the same weights.
        """
        units, features = weights.shape
        assert x.shape[-1] == features
        z = self.tensor((*x.shape[:-1], units), f"Z{self.number()}")
        self.emit("dense_forward", {"positions": x.rows // features}, ("Z",), W=weights, b=bias, A=x, Z=z)
        return z

    def activation(self, z: Tensor, activation: Activation) -> Tensor:
        """Emit an activation and return its output; the linear one is no op."""
        if activation.name == "linear":
            return z
        a = self.tensor(z.shape, z.name.replace("Z", "A", 1))
        positions = z.rows // z.shape[-1] if not activation.elementwise else 1
        self.emit("activation_forward", {"activation": activation, "positions": positions}, ("A",), Z=z, A=a)
        return a

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Emit ``Z = A + B`` and return Z."""
        z = self.tensor(a.shape, f"{a.name}+{b.name}")
        self.emit("add", None, ("Z",), A=a, B=b, Z=z)
        return z

    def activity_penalty(self, a: Tensor, l1: float, l2: float) -> None:
        """Add ``l1 * |a| + l2 * a**2`` over the features to each sample's loss."""
        self.emit("activity_penalty", {"l1": l1, "l2": l2}, A=a)

    # --- what gradient rules use ------------------------------------------------------------------

    def learns(self, x: Tensor) -> bool:
        """Whether a tensor depends on any weight, so that its gradient is of use."""
        return x.index in self._learns

    def delta(self, x: Tensor) -> Tensor | None:
        """Return the gradient by ``x``, which may be overwritten; None if the loss does not depend on it."""
        return self.deltas.get(x.index)

    def emit_backward(self, kind: str, static: dict[str, Any] | None = None, writes: tuple[str, ...] = (),
                      **operands: Operand) -> None:  # fmt: skip
        """Append a backward op: per sample, or over a whole minibatch."""
        self.backward.append(Op(kind, operands, static or {}, writes))

    def emit_gradient(self, kind: str, static: dict[str, Any] | None = None, **operands: Operand) -> None:
        """Append an op that sums the gradient of parameters over the samples."""
        self.gradients.append(Op(kind, operands, static or {}))

    def new_delta(self, x: Tensor) -> Tensor:
        """Return a new tensor for (a part of) the gradient by ``x``; hand it to ``give`` when its op is emitted."""
        return self.tensor(x.shape, "d" + x.name)

    def give(self, x: Tensor, dx: Tensor) -> None:
        """Say that ``dx`` holds (a part of) the gradient by ``x``.

        Where ``x`` is read by several ops, the parts are added in the order in which the tape is walked: the last
        reader's first.
        """
        known = self.deltas.get(x.index)
        if known is None:
            self.deltas[x.index] = dx
        else:
            self.emit_backward("add_in_place", None, ("A",), A=known, B=dx)

    # --- the end ----------------------------------------------------------------------------------

    def finish(self, outputs: Tensor, loss: Loss | None = None, learn: bool = True) -> Plan:
        """Return the plan; with a loss, also its value and, if it is to ``learn``, every gradient.

        Parameters
        ----------
        outputs : Tensor
            The predictions.
        loss : Loss, optional
        learn : bool
        """
        last = self.forward[-1] if self.forward else None
        mask = step_mask(self, outputs)
        if loss is None:
            self.forward = [op for op in self.forward if op.kind != "activity_penalty"]
            return self._plan(outputs, None, None, None, None, [], mask)
        targets = self.tensor(outputs.shape, "Y")
        weights = self.weights = self.tensor(1, "weights")
        terms = self.tensor(1, "losses")
        activation = None
        if last is not None and last.kind == "activation_forward" and _is(last.operands["A"], outputs):
            found = last.static["activation"]
            if found.elementwise or last.static["positions"] == outputs.rows // outputs.shape[-1]:
                activation = found
        values, scaled = self._masked_weights(mask, weights)
        source, seed, value, gradient = self._loss_ops(loss, activation, last, outputs, targets, scaled, terms, mask)
        tape = [op for op in self.forward if not (op is last and not _is(source, outputs))]
        values.append(value)
        for op in reversed(tape):
            if op.kind == "activity_penalty":
                ends = {"weight": weights, "terms": terms}
                values.append(Op("activity_penalty_value", {**op.operands, **ends}, op.static, ("terms",)))
        if learn:
            self.backward.append(gradient)
            if mask is not None:
                static = {"steps": mask.rows}
                self.backward.append(Op("mask_gradient", {"K": mask, "dZ": seed, "dA": seed}, static, ("dA",)))
            self.deltas[source.index] = seed
            for op in reversed(tape):
                GRADIENT_RULES[op.kind](self, op)
        self.forward = [op for op in self.forward if op.kind != "activity_penalty"]
        return self._plan(outputs, targets, weights, terms, loss, values, mask)

    def _masked_weights(self, mask: Tensor | None, weights: Tensor) -> tuple[list[Op], Tensor]:
        """Return ops that divide sample weights by the share of steps that count in the minibatch, and the quotients.

        A loss over the steps that count, divided by the number of all steps, is then a mean over those that count.
        """
        if mask is None:
            return [], weights
        counts, scaled = self.tensor(1, f"counts of {mask.name}"), self.tensor(1, "weights by steps")
        total, mean = (self.tensor(1, f"{what} of {mask.name}", of_minibatch=True) for what in ("total", "mean"))
        positions = {"positions": mask.rows}
        return [
            Op("position_sums", {"A": mask, "S": counts}, positions, ("S",)),
            Op("batch_sums", {"S": counts, "total": total, "mean": mean}, positions, ("total", "mean")),
            Op("mask_weight", {"weight": weights, "mean": mean, "Z": scaled}, {}, ("Z",)),
        ], scaled

    def _loss_ops(self, loss: Loss, activation: Activation | None, last: Op | None, outputs: Tensor, targets: Tensor,
                  weights: Tensor, terms: Tensor,
                  mask: Tensor | None) -> tuple[Tensor, Tensor, Op, Op]:  # fmt: skip
        """Return (tensor the loss is computed from, its gradient, op of the value, op of the gradient).

        A loss with a stable form for the output's activation is computed from the pre-activation, and its gradient
        skips the activation. Where outputs have several axes, the last one holds the classes of each position.
        """
        name = activation.name if activation is not None and last is not None else ""
        kernel = loss.sample_wise or loss.fused_sample_wise.get(name)
        fused = loss.fused.get(name)
        source = outputs
        if not loss.sample_wise and (kernel or fused) and last is not None:
            z = last.operands["Z"]
            assert isinstance(z, Tensor)
            source = z
        seed = self.tensor(outputs.shape, "d" + source.name)
        ends: dict[str, Operand] = {"Y": targets, "weight": weights}
        static: dict[str, Any] = {"positions": outputs.rows // outputs.shape[-1]}
        if kernel:
            value = Op(f"{kernel}_value", {"Z": source, **ends, "terms": terms, "K": mask}, static, ("terms",))
            return source, seed, value, Op(f"{kernel}_gradient", {"Z": source, **ends, "dZ": seed}, static, ("dZ",))
        pair = fused or (loss.value, loss.derivative)
        static |= {"mean": loss.mean, "delta": loss.delta}
        value = Op("loss_value", {"P": source, **ends, "terms": terms, "K": mask}, {"formula": pair[0], **static},
                   ("terms",))  # fmt: skip
        gradient = Op("loss_gradient", {"P": source, "A": outputs, **ends, "dP": seed},
                      {"formula": pair[1], "fused": fused is not None, **static}, ("dP",))  # fmt: skip
        return source, seed, value, gradient

    def _plan(self, outputs: Tensor, targets: Tensor | None, weights: Tensor | None, terms: Tensor | None,
              loss: Loss | None, values: list[Op], mask: Tensor | None) -> Plan:  # fmt: skip
        return Plan(tuple(self.tensors), tuple(self.parameters), self.size, tuple(self.statistics),
                    self.statistics_size, self.inputs, outputs, targets, weights, terms, loss, tuple(self.forward),
                    tuple(values), tuple(self.backward), tuple(self.gradients),
                    tuple(self.layer_shapes), tuple(self.carried), mask)  # fmt: skip


def _is(a: Operand, b: Operand) -> bool:
    """Whether two operands are views of one tensor."""
    return isinstance(a, Tensor) and isinstance(b, Tensor) and a.index == b.index
