"""The records of a plan: what a tensor, a parameter and an op are.

Shapes: a tensor is ``rows`` features by as many samples as a step has, samples last; its features lie in C order of
its ``shape``, channels last, as in a user's row. All trained parameters are one flat vector of ``Plan.size`` elements,
W before b, layer by layer; ``Parameter.offset`` says where each lies. What a layer measures instead of training it
(running means) lies in a second vector of ``Plan.statistics_size`` elements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastnn.losses import Loss


@dataclass(frozen=True)
class Tensor:
    """One value per feature and sample; or, of a whole minibatch, one per feature.

    Attributes
    ----------
    index : int
        Position in ``Plan.tensors``.
    rows : int
        Number of features.
    name : str
        What it is, for people: ``"Z1"``, ``"dA2"``.
    shape : tuple of int
        A sample's shape; its product is ``rows``. Two tensors of one index are two views of the same values.
    of_minibatch : bool
        Whether there is one value a feature for all samples of a step (a batch's mean) rather than one for each.
    """

    index: int
    rows: int
    name: str
    shape: tuple[int, ...] = ()
    of_minibatch: bool = False

    def __post_init__(self) -> None:
        if not self.shape:
            object.__setattr__(self, "shape", (self.rows,))
        assert math.prod(self.shape) == self.rows, (self.shape, self.rows)

    def viewed(self, shape: tuple[int, ...]) -> Tensor:
        """Return the same values as samples of another shape."""
        return replace(self, shape=shape)


@dataclass(frozen=True)
class KerasLayout:
    """How Keras stores an array of weights.

    Attributes
    ----------
    axes : tuple of int
        Our axes in Keras' order.
    view : tuple of int
        The shape in which our array is seen first; empty for its own.
    """

    axes: tuple[int, ...]
    view: tuple[int, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """A trained array and how it starts.

    Attributes
    ----------
    name : str
        ``"W1"``, ``"b1"``: kind and number of the layer, counted from 1 over layers with parameters.
    shape : tuple of int
    offset : int
        Position of the first element in the flat vector.
    layer : int
        Index of the layer in the model.
    initializer : object
        A ``fastnn.initializers`` initializer.
    fan_in, fan_out : int
        Inputs and outputs of one unit, for the initializer.
    l1, l2 : float
        Penalty added to the loss: ``l1 * |w| + l2 * w**2`` summed over the elements.
    trained : bool
        Whether gradients move it. If not, ``offset`` counts in the vector of statistics.
    keras : KerasLayout or None
        None for the axes in reverse: kernels (inputs, units), biases (units,).
    place : int
        Its number among all arrays, trained or not, in the order in which layers made them.
    """

    name: str
    shape: tuple[int, ...]
    offset: int
    layer: int
    initializer: Any
    fan_in: int
    fan_out: int
    l1: float = 0.0
    l2: float = 0.0
    trained: bool = True
    keras: KerasLayout | None = None
    place: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Carried:
    """What a stateful layer hands from a step's samples to the samples in the same places of the next step.

    Attributes
    ----------
    offset : int
        Its first row among all carried rows.
    rows : int
    layer : int
        Index of the layer in the model.
    parts : int
        Into how many states the rows fall, equal in number: 2 of an LSTM, the output and the cell's state.
    """

    offset: int
    rows: int
    layer: int = -1
    parts: int = 1


@dataclass(frozen=True)
class Op:
    """One operation.

    Attributes
    ----------
    kind : str
        The name of the function in both backends: ``"dense_forward"``.
    operands : mapping
        Tensors and parameters by the names the function's docstring uses.
    static : mapping
        What is fixed: an ``Activation``, a formula, the strides of a convolution.
    writes : tuple of str
        The operands it writes, whole.
    """

    kind: str
    operands: Mapping[str, Tensor | Parameter | Carried | None]
    static: Mapping[str, Any] = field(default_factory=dict)
    writes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A network ready for a backend.

    Attributes
    ----------
    tensors : tuple of Tensor
    parameters : tuple of Parameter
        The trained ones.
    size : int
        Elements of the flat parameter vector.
    statistics : tuple of Parameter
        Those that are not trained.
    statistics_size : int
        Elements of their vector.
    inputs, outputs : Tensor
        The samples and the predictions.
    targets, weights, terms : Tensor or None
        Targets, sample weights (one row) and losses (one row); None in a plan that only predicts.
    loss : Loss or None
    forward : tuple of Op
        From inputs to outputs.
    value : tuple of Op
        From outputs and targets to ``terms``.
    backward : tuple of Op
        From the loss's gradient to the gradient of every pre-activation.
    gradients : tuple of Op
        Sums over samples: one op per array of weights, with its bias. Independent of one another.
    carried : tuple of Carried
        What stateful layers carry from step to step, in the order in which layers made it.
    mask : Tensor or None
        Of the outputs' steps, where some may not count: a row for each step, 0 where it does not.
    layer_shapes : tuple of tuple of int
        A sample's shape behind each layer of a model.
    """

    tensors: tuple[Tensor, ...]
    parameters: tuple[Parameter, ...]
    size: int
    statistics: tuple[Parameter, ...]
    statistics_size: int
    inputs: Tensor
    outputs: Tensor
    targets: Tensor | None
    weights: Tensor | None
    terms: Tensor | None
    loss: Loss | None
    forward: tuple[Op, ...]
    value: tuple[Op, ...]
    backward: tuple[Op, ...]
    gradients: tuple[Op, ...]
    layer_shapes: tuple[tuple[int, ...], ...] = ()
    carried: tuple[Carried, ...] = ()
    mask: Tensor | None = None

    @property
    def carried_rows(self) -> int:
        """Rows that are carried from step to step; 0 in a plan without stateful layers."""
        return self.carried[-1].offset + self.carried[-1].rows if self.carried else 0
