"""Recurrent layers: a state that is handed from step to step of a sequence.

All three multiply the inputs of all steps first, ``Z = b + W x``, and then walk through the steps, each of which
continues its gates' sums with the products of the state before it. Samples are sequences of shape (steps, features).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import initializers, regularizers
from fastnn.activations import Activation, is_from_output
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.initializers.base import Draw, Initializer
from fastnn.layers.activation import resolve_activation
from fastnn.layers.base import LAYERS, Layer, check_rank, sample_shape, whole_number
from fastnn.layers.masking import step_mask
from fastnn.layers.noise import checked_rate, dropped
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Parameter, Tensor


@dataclass
class Recurrent(Layer):
    """What the recurrent layers share: settings, weights, and how the steps are visited."""

    gates: ClassVar[int]
    op: ClassVar[str]

    units: int
    activation: Any = "tanh"
    use_bias: bool = field(default=True, kw_only=True)
    kernel_initializer: Any = field(default="glorot_uniform", kw_only=True)
    recurrent_initializer: Any = field(default="orthogonal", kw_only=True)
    bias_initializer: Any = field(default="zeros", kw_only=True)
    kernel_regularizer: Any = field(default=None, kw_only=True)
    recurrent_regularizer: Any = field(default=None, kw_only=True)
    bias_regularizer: Any = field(default=None, kw_only=True)
    activity_regularizer: Any = field(default=None, kw_only=True)
    dropout: float = field(default=0.0, kw_only=True)
    recurrent_dropout: float = field(default=0.0, kw_only=True)
    return_sequences: bool = field(default=False, kw_only=True)
    return_state: bool = field(default=False, kw_only=True)
    go_backwards: bool = field(default=False, kw_only=True)
    stateful: bool = field(default=False, kw_only=True)
    input_shape: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self.units = whole_number("units", self.units)
        self.activation = self._elementwise("activation", self.activation)
        for name in ("use_bias", "return_sequences", "return_state", "go_backwards", "stateful"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidTypeError(f"{name} must be True or False, got {getattr(self, name)!r}")
        self.dropout, self.recurrent_dropout = checked_rate(self.dropout), checked_rate(self.recurrent_dropout)
        for name in ("kernel_initializer", "recurrent_initializer", "bias_initializer"):
            setattr(self, name, initializers.get(getattr(self, name)))
        for name in ("kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "activity_regularizer"):
            setattr(self, name, regularizers.get(getattr(self, name)))
        sample_shape(self.input_shape)

    def _elementwise(self, name: str, value: Any) -> Activation:
        found = resolve_activation(value)
        if not found.elementwise:
            raise InvalidValueError(f"{type(self).__name__} takes an elementwise {name}, got {found.name!r}")
        return found

    @property
    def returns_state(self) -> bool:
        """Whether a prediction holds the layer's last states besides its output: ``return_state``."""
        return self.return_state

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the inputs' products, the walk through the steps and the penalty of the activity."""
        return self.walk(plan, x, aligned=False)

    def walk(self, plan: PlanBuilder, x: Tensor, aligned: bool) -> Tensor:
        """Emit the layer; with ``aligned``, a sequence read backwards is put out in the order of the input."""
        check_rank(type(self).__name__, x, 2, "(steps, features)")
        steps, features = x.shape
        rows, fans = self.gates * self.units, (features, self.gates * self.units)
        kernel = plan.parameter("W", (rows, features), self.kernel_initializer, fans,
                                factors(self.kernel_regularizer))  # fmt: skip
        weights = plan.parameter("U", (rows, self.units), self.recurrent_initializer, (self.units, rows),
                                 factors(self.recurrent_regularizer))  # fmt: skip
        bias = self._bias(plan, "b", self._input_bias()) if self.use_bias else None
        mask = step_mask(plan, x)
        z = plan.dense(dropped(plan, x, self.dropout, steps), kernel, bias)
        y = self._steps(plan, z, weights, mask, aligned)
        if mask is not None and self.return_sequences and (aligned or not self.go_backwards):
            plan.masks[y.index] = mask
        if self.activity_regularizer is not None:
            plan.activity_penalty(y, self.activity_regularizer.l1, self.activity_regularizer.l2)
        return y

    def _bias(self, plan: PlanBuilder, kind: str, initializer: Any) -> Parameter:
        rows = self.gates * self.units
        return plan.parameter(kind, (rows,), initializer, (rows, rows), factors(self.bias_regularizer))

    def _input_bias(self) -> Any:
        return self.bias_initializer

    def _visits(self, steps: int, aligned: bool) -> tuple[tuple[int, int], ...]:
        """Return each step's place in the sequence and in the output, in the order of time."""
        places = range(steps - 1, -1, -1) if self.go_backwards else range(steps)
        outputs = places if aligned else range(steps)
        return tuple((t, out if self.return_sequences else 0) for t, out in zip(places, outputs, strict=True))

    def _steps(self, plan: PlanBuilder, z: Tensor, weights: Parameter, mask: Tensor | None, aligned: bool) -> Tensor:
        """Emit the walk through the steps and return what is put out."""
        steps, number = z.shape[0], plan.number()
        plan.take_room(16 * steps)  # small tuples
        static = {"visits": self._visits(steps, aligned), **self._activations()}
        # the gates take the pre-activations' place
        shared = all(is_from_output(a) for a in self._activations().values())
        state = plan.tensor((steps, self.units), f"P{number}")
        y = plan.tensor((steps, self.units) if self.return_sequences else self.units, f"Y{number}")
        factor = self._state_dropout(plan, z)
        before = state if factor is None else plan.tensor(state.shape, f"H{number}")
        operands = {"Z": z, "G": z if shared else plan.tensor(z.shape, f"G{number}"), "P": state, "H": before,
                    "Y": y, "D": factor, "K": mask}  # fmt: skip
        extra = self._extra(plan, steps, number)
        carries = self.stateful or plan.carries
        carried = plan.carry(self.states * self.units, f"I{number}", self.states) if carries else None
        writes = ("Y", "Z", "G", "P", "H", *(n for n in extra if n in self.keeps), *(["I"] if carried else []))
        plan.emit(self.op, static, writes, W=weights, I=carried[0] if carried else None, **operands, **extra)
        if carried:
            plan.emit("carry_out", None, ("S",), A=carried[0], S=carried[1])
        return y

    def _state_dropout(self, plan: PlanBuilder, z: Tensor) -> Tensor | None:
        """Emit the factors of the state, one draw a sample and unit for all steps, and return them."""
        if not plan.training or self.recurrent_dropout == 0:
            return None
        mask = plan.tensor(self.units, f"mask of {z.name}")
        static = {"rate": self.recurrent_dropout, "stream": plan.draw(), "rows": self.units}
        plan.emit("dropout_mask", static, ("M",), Z=z, M=mask, work=plan.tensor(self.units, f"drawn for {z.name}"))
        return mask

    keeps: ClassVar[tuple[str, ...]] = ()
    states: ClassVar[int] = 1

    def _activations(self) -> dict[str, Activation]:
        return {"f": self.activation}

    def _extra(self, plan: PlanBuilder, steps: int, number: int) -> dict[str, Any]:
        """Return the cell's further operands; those of ``keeps`` are written for the way back."""
        return {}


def factors(regularizer: regularizers.Regularizer | None) -> tuple[float, float]:
    """Return the factors (l1, l2) of a penalty."""
    return (0.0, 0.0) if regularizer is None else (regularizer.l1, regularizer.l2)


@dataclass
class SimpleRNN(Recurrent):
    """A layer whose output is its state: ``h = f(b + W x + U h)``.

    Parameters
    ----------
    units : int
        Features of the state.
    activation : str, Activation or callable
        ``f``, elementwise.
    use_bias : bool
    kernel_initializer, recurrent_initializer, bias_initializer : str or initializer
        Of W, U and b.
    kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer : str, Regularizer or None
        Penalties added to the loss; the activity is what the layer puts out.
    dropout, recurrent_dropout : float
        Share of the input's features, and of the state's on its way into the products, that is dropped in training:
        one draw a sample for all steps [2].
    return_sequences : bool
        Whether every step's state is put out, (steps, units), or the last one's, (units,).
    return_state : bool
        Let ``predict`` return the last state too, ``[outputs, h]``, of an ``LSTM`` ``[outputs, h, c]``: for a model's
        last layer. Training sees the outputs alone. ``Sequential.predict`` hands all layers' states in and out.
    go_backwards : bool
        Read the sequence from its end; with ``return_sequences``, the last step's state comes first.
    stateful : bool
        Start from the state that the sample in the same place of the batch before ended in, zeros after
        ``Sequential.reset_states``. Gradients go back to the start of the samples and no further: so long sequences
        are trained in pieces (truncated backpropagation through time).
    input_shape : tuple of int, optional
        (steps, features), for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    Weights: W (units, features), U (units, units), b (units,). PyTorch's ``RNN``: W = ``weight_ih_l0``, U =
    ``weight_hh_l0``, b = ``bias_ih_l0 + bias_hh_l0``. A step's sum starts from b, adds W's products in ascending order
    of the feature, then U's in ascending order of the unit. Gradients add up by the contract's groups of samples
    (rule 3): those of W and U the steps in the order of the sequence, samples inside, those of b each sample's steps
    first; also where the sequence is read backwards.

    References
    ----------
    [1] Elman, Finding structure in time, Cognitive Science 14 (1990).
    [2] Gal and Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, NIPS 2016.
    """

    kind = "simple_rnn"
    gates = 1
    op = "simple_rnn_forward"


@dataclass(frozen=True)
class UnitForgetBias(Initializer):
    """Ones for the second of four gates, another initializer's values for the others."""

    name: ClassVar[str] = "unit_forget_bias"

    others: Initializer

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        values = np.array(self.others._values(shape, fan_in, fan_out, draw), np.float64).reshape(4, -1)
        values[1] = 1.0
        return values


@dataclass
class LSTM(Recurrent):
    """Long short-term memory: a cell's state ``c = F c + I G`` behind gates, and the output ``h = O f(c)``.

    I, F, O = r(z) and G = f(z), each of its own rows of ``z = b + W x + U h``.

    Parameters
    ----------
    units : int
        Features of the state.
    activation, recurrent_activation : str, Activation or callable
        ``f`` and ``r``, elementwise.
    unit_forget_bias : bool
        Start the forget gate's bias from 1.

    Others as of ``SimpleRNN``.

    Notes
    -----
    Weights: W (4 * units, features), U (4 * units, units), b (4 * units,), gates in Keras' order i, f, c, o, which is
    PyTorch's i, f, g, o: W = ``weight_ih_l0``, U = ``weight_hh_l0``, b = ``bias_ih_l0 + bias_hh_l0``. Order of sums as
    of ``SimpleRNN``.

    References
    ----------
    Gers, Schmidhuber and Cummins, Learning to forget, Neural Computation 12 (2000).
    """

    kind = "lstm"
    gates = 4
    op = "lstm_forward"
    keeps = ("C", "F")
    states = 2

    recurrent_activation: Any = "sigmoid"
    unit_forget_bias: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.recurrent_activation = self._elementwise("recurrent_activation", self.recurrent_activation)
        if not isinstance(self.unit_forget_bias, bool):
            raise InvalidTypeError(f"unit_forget_bias must be True or False, got {self.unit_forget_bias!r}")

    def _input_bias(self) -> Any:
        return UnitForgetBias(self.bias_initializer) if self.unit_forget_bias else self.bias_initializer

    def _activations(self) -> dict[str, Activation]:
        return {"f": self.activation, "r": self.recurrent_activation}

    def _extra(self, plan: PlanBuilder, steps: int, number: int) -> dict[str, Any]:
        return {"C": plan.tensor((steps + 1, self.units), f"C{number}"),
                "F": plan.tensor((steps, self.units), f"F{number}")}  # fmt: skip


@dataclass
class GRU(Recurrent):
    """Gated recurrent unit: ``h = z h + (1 - z) f(b + W x + R (bU + U h))`` with gates z, R = r(b + W x + (bU + U h)).

    Parameters
    ----------
    units : int
        Features of the state.
    activation, recurrent_activation : str, Activation or callable
        ``f`` and ``r``, elementwise.
    reset_after : bool
        True: the reset gate multiplies the product, as in Keras' default and PyTorch; there is no other form here.

    Others as of ``SimpleRNN``.

    Notes
    -----
    Weights: W (3 * units, features), U (3 * units, units), b and bU (3 * units,), gates in Keras' order z, r, h; Keras
    holds b and bU in one array. PyTorch's order is r, z, n: swap the first two thirds of ``weight_ih_l0``,
    ``weight_hh_l0``, ``bias_ih_l0`` and ``bias_hh_l0`` for W, U, b and bU. The sum from b adds W's products in
    ascending order of the feature; the sum from bU, U's in ascending order of the unit; then the two are added.

    References
    ----------
    Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP 2014, section 2.3.
    """

    kind = "gru"
    gates = 3
    op = "gru_forward"
    keeps = ("S",)

    recurrent_activation: Any = "sigmoid"
    reset_after: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.recurrent_activation = self._elementwise("recurrent_activation", self.recurrent_activation)
        if self.reset_after is not True:
            raise InvalidValueError(f"GRU knows reset_after=True only, got {self.reset_after!r}")

    def _activations(self) -> dict[str, Activation]:
        return {"f": self.activation, "r": self.recurrent_activation}

    def _extra(self, plan: PlanBuilder, steps: int, number: int) -> dict[str, Any]:
        bias = self._bias(plan, "bU", self.bias_initializer) if self.use_bias else None
        return {"b": bias, "S": plan.tensor((steps, self.units), f"S{number}"),
                "sums": plan.tensor((2, self.units), f"sums{number}")}  # fmt: skip


LAYERS.register("simple_rnn", SimpleRNN)
LAYERS.register("lstm", LSTM)
LAYERS.register("gru", GRU)
