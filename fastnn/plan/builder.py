"""Builds a plan: layers emit forward ops, the builder derives the backward ones.

``PlanBuilder`` is the only thing a layer needs to know. Each kind of op that a layer can emit has a method that appends
it and a rule in ``gradients.py`` that emits its gradients; the tape is walked once, backwards, when the loss is known.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import Activation
from fastnn.losses import Loss
from fastnn.plan.gradients import GRADIENT_RULES
from fastnn.plan.plan import Op, Parameter, Plan, Tensor


class PlanBuilder:
    """Collects the tensors, parameters and ops of one network.

    Parameters
    ----------
    features : int
        Features of a sample.
    """

    def __init__(self, features: int) -> None:
        self.tensors: list[Tensor] = []
        self.parameters: list[Parameter] = []
        self.size = 0
        self.forward: list[Op] = []
        self.backward: list[Op] = []
        self.gradients: list[Op] = []
        self.layer = -1
        self._numbers: dict[int, int] = {}
        self.inputs = self.tensor(features, "A0")
        self.trained: set[int] = set()

    def tensor(self, rows: int, name: str) -> Tensor:
        """Add a tensor of ``rows`` features."""
        tensor = Tensor(len(self.tensors), rows, name)
        self.tensors.append(tensor)
        return tensor

    def number(self) -> int:
        """Return the number, from 1, of the current layer among those that have parameters."""
        return self._numbers.setdefault(self.layer, len(self._numbers) + 1)

    def parameter(self, kind: str, shape: tuple[int, ...], initializer: Any, fans: tuple[int, int],
                  penalty: tuple[float, float] = (0.0, 0.0)) -> Parameter:  # fmt: skip
        """Add a trained array named ``kind`` and the layer's number.

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
        """
        name = f"{kind}{self.number()}"
        parameter = Parameter(name, shape, self.size, self.layer, initializer, *fans, *penalty)
        self.parameters.append(parameter)
        self.size += parameter.size
        return parameter

    def emit(self, kind: str, static: dict[str, Any] | None = None, **operands: Tensor | Parameter | None) -> None:
        """Append a forward op."""
        self.forward.append(Op(kind, operands, static or {}))

    def dense(self, x: Tensor, weights: Parameter, bias: Parameter | None) -> Tensor:
        """Emit ``Z = W A + b`` and return Z."""
        z = self.tensor(weights.shape[0], f"Z{self.number()}")
        self.emit("dense_forward", W=weights, b=bias, A=x, Z=z)
        return z

    def activation(self, z: Tensor, activation: Activation) -> Tensor:
        """Emit an activation and return its output; the linear one is no op."""
        if activation.name == "linear":
            return z
        a = self.tensor(z.rows, z.name.replace("Z", "A", 1))
        self.emit("activation_forward", {"activation": activation}, Z=z, A=a)
        return a

    def activity_penalty(self, a: Tensor, l1: float, l2: float) -> None:
        """Add ``l1 * |a| + l2 * a**2`` over the features to each sample's loss."""
        self.emit("activity_penalty", {"l1": l1, "l2": l2}, A=a)

    def finish(self, outputs: Tensor, loss: Loss | None = None) -> Plan:
        """Return the plan; with a loss, also its value and every gradient.

        Parameters
        ----------
        outputs : Tensor
            The predictions.
        loss : Loss, optional
        """
        if loss is None:
            return self._plan(outputs, None, None, None, None, [])
        targets = self.tensor(outputs.rows, "Y")
        weights = self.tensor(1, "weights")
        terms = self.tensor(1, "losses")
        last = self.forward[-1] if self.forward else None
        activation = None
        if last is not None and last.kind == "activation_forward" and last.operands["A"] is outputs:
            activation = last.static["activation"]
        source, seed, value, gradient = self._loss_ops(loss, activation, last, outputs, targets, weights, terms)
        tape = [op for op in self.forward if not (op is last and source is not outputs)]
        values = [value]
        self.backward.append(gradient)
        deltas: dict[int, Tensor] = {source.index: seed}
        for op in reversed(tape):
            if op.kind == "activity_penalty":
                ends = {"weight": weights, "terms": terms}
                values.append(Op("activity_penalty_value", {**op.operands, **ends}, op.static))
            GRADIENT_RULES[op.kind](self, op, deltas, weights)
        self.forward = [op for op in self.forward if op.kind != "activity_penalty"]
        return self._plan(outputs, targets, weights, terms, loss, values)

    def _loss_ops(self, loss: Loss, activation: Activation | None, last: Op | None, outputs: Tensor, targets: Tensor,
                  weights: Tensor, terms: Tensor) -> tuple[Tensor, Tensor, Op, Op]:  # fmt: skip
        """Return (tensor the loss is computed from, its gradient, op of the value, op of the gradient).

        A loss with a stable form for the output's activation is computed from the pre-activation, and its gradient
        skips the activation.
        """
        name = activation.name if activation is not None and last is not None else ""
        kernel = loss.sample_wise or loss.fused_sample_wise.get(name)
        fused = loss.fused.get(name)
        source = outputs
        if not loss.sample_wise and (kernel or fused) and last is not None:
            z = last.operands["Z"]
            assert isinstance(z, Tensor)
            source = z
        seed = self.tensor(outputs.rows, "d" + source.name)
        ends: dict[str, Tensor | Parameter | None] = {"Y": targets, "weight": weights}
        if kernel:
            value = Op(f"{kernel}_value", {"Z": source, **ends, "terms": terms})
            return source, seed, value, Op(f"{kernel}_gradient", {"Z": source, **ends, "dZ": seed})
        pair = fused or (loss.value, loss.derivative)
        static = {"mean": loss.mean, "delta": loss.delta}
        value = Op("loss_value", {"P": source, **ends, "terms": terms}, {"formula": pair[0], **static})
        gradient = Op("loss_gradient", {"P": source, "A": outputs, **ends, "dP": seed},
                      {"formula": pair[1], "fused": fused is not None, **static})  # fmt: skip
        return source, seed, value, gradient

    def _plan(self, outputs: Tensor, targets: Tensor | None, weights: Tensor | None, terms: Tensor | None,
              loss: Loss | None, values: list[Op]) -> Plan:  # fmt: skip
        return Plan(tuple(self.tensors), tuple(self.parameters), self.size, self.inputs, outputs, targets, weights,
                    terms, loss, tuple(self.forward), tuple(values), tuple(self.backward),
                    tuple(self.gradients))  # fmt: skip
