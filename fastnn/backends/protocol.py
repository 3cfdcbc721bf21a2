"""What a backend module must offer.

Arrays have the batch in columns: N samples, D features in, M units out. They are float32 or float64, all of a
call alike, of any strides, read-only or not, and none is written to unless the function says so. Nothing is
checked here: what users pass is checked by the floors above. Every function returns the same bits in every
backend (``fastnn.contract``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastnn.activations import Activation
from fastnn.optimizers import Optimizer, UpdateRule
from fastnn.plan.dense_network import DenseNetwork
from fastnn.plan.executor import Executor, State
from fastnn.plan.plan import Plan

Array = np.ndarray[Any, Any]
Formula = Callable[..., Any]


class RowFunction(NamedTuple):
    """Predictions sample by sample: ``f(x, out)`` writes ``out`` and says whether x is finite.

    Both arrays must be C-contiguous, aligned and of the plan's dtype: nothing is looked at. Calls share nothing, so
    that threads may make them at once.

    Attributes
    ----------
    one : callable
        Of one sample: x (D,), out (M,).
    several : callable
        x (N, D), out (N, M).
    """

    one: Callable[[Array, Array], bool]
    several: Callable[[Array, Array], bool]


class Backend(Protocol):
    """A module that computes; ``numpy_backend`` and ``numba_backend`` satisfy it."""

    __name__: str

    random: ModuleType

    def executor(self, plan: Plan, dtype: Any, state: State, optimizer: Optimizer | None = None) -> Executor:
        """Return what runs the programs of a plan."""
        ...

    def row_function(self, plan: Plan, dtype: np.dtype[Any], state: State, *, frozen: bool) -> RowFunction | None:
        """Return what computes predictions sample by sample; None where an executor is as good.

        With ``frozen`` the weights are copied; otherwise each call reads those that ``state`` then holds.
        """
        ...

    def network_forward(
        self, network: DenseNetwork, dtype: np.dtype[Any], parameters: Sequence[Array], X: Array
    ) -> tuple[list[Array], bool]:
        """Return Z1, A1, ..., ZL, AL of a dense network, computed in ``dtype``, and whether Z1 is finite.

        See ``numpy_backend.network``.
        """
        ...

    def network_function(
        self, network: DenseNetwork, dtype: np.dtype[Any], samples: int
    ) -> Callable[[tuple[Array, ...]], tuple[Array, dict[str, Array], bool] | None] | None:
        """Return ``f((W1, b1, ..., X))``, what ``network_forward`` gives, for calls made again and again.

        It returns AL, the values by name, and whether Z1 is finite; None where a shape is another than the network's,
        and raises TypeError where an array is not two-dimensional, C-contiguous and of ``dtype``. None instead of it
        where ``network_forward`` is as good.
        """
        ...

    def gradients_function(
        self, network: DenseNetwork, dtype: np.dtype[Any], samples: int
    ) -> Callable[[tuple[Array, ...]], dict[str, Array] | None] | None:
        """Return ``f((W1, b1, ..., X, Y, Z1, A1, ..., ZL, AL))``: what ``network_backward`` gives, by name.

        Like ``network_function``; None, too, where X is not finite or Y not in [0, 1].
        """
        ...

    def update_function(
        self, shapes: Sequence[tuple[int, int]], dtype: np.dtype[Any]
    ) -> Callable[[tuple[Array, ...], float], dict[str, Array] | None] | None:
        """Return ``f((W1, b1, ..., dW1, db1, ...), rate)``: new parameters by name, each ``w - rate * g``.

        Like ``network_function``. None instead of it where ``optimizer_update`` is as good.
        """
        ...

    def small_cost(self, Y: Array, P: Array) -> float | None:
        """Return ``sum_row(loss_value(...))`` of the tutorial's cost for few samples, Y and P (M, N) C-contiguous.

        None where an element is not in [0, 1], or where those two are as good.
        """
        ...

    def network_backward(self, network: DenseNetwork, dtype: np.dtype[Any], parameters: Sequence[Array],
                         values: Sequence[Array], X: Array, Y: Array) -> list[Array]:  # fmt: skip
        """Return dW1, db1, ..., dWL, dbL of the mean loss, from what ``network_forward`` returned."""
        ...

    def dense_forward(self, W: Array, b: Array | None, A: Array, positions: int = 1) -> Array:
        """Return ``Z = W A + b``, (M, N), at each position: from b (or +0), products added by ascending feature."""
        ...

    def dense_backward_input(self, W: Array, dZ: Array, positions: int = 1) -> Array:
        """Return ``dA = W^T dZ``, (D, N): from +0, products added in ascending order of the unit."""
        ...

    def dense_backward_weights(self, dZ: Array, A: Array, positions: int = 1) -> tuple[Array, Array]:
        """Return the sums over samples ``dZ A^T``, (M, D), and ``dZ 1``, (M,): the contract's rule 3."""
        ...

    def activation_forward(self, activation: Activation, Z: Array, positions: int = 1) -> Array:
        """Return ``A = f(Z)``, (M, N)."""
        ...

    def activation_backward(self, activation: Activation, Z: Array, A: Array, dA: Array, positions: int = 1) -> Array:
        """Return ``dZ``, (M, N): ``dA`` times the derivative at Z."""
        ...

    def loss_value(self, formula: Formula, mean: bool, delta: float | None, Y: Array, P: Array, weight: Array,
                   positions: int = 1, K: Array | None = None) -> Array:  # fmt: skip
        """Return each sample's weighted loss, (N,): terms added in ascending order of the output.

        Positions where a mask K (positions, N) is 0 are left out.
        """
        ...

    def loss_gradient(
        self,
        formula: Formula,
        mean: bool,
        delta: float | None,
        fused: bool,
        Y: Array,
        P: Array,
        A: Array,
        weight: Array,
        positions: int = 1,
    ) -> Array:
        """Return the gradient of each sample's weighted loss by P, (M, N)."""
        ...

    def softmax_crossentropy_value(self, Y: Array, Z: Array, weight: Array, positions: int = 1,
                                   K: Array | None = None) -> Array:  # fmt: skip
        """Return ``-sum(y log softmax(z))`` per sample, weighted, (N,): over positions, divided by their number.

        Positions where a mask K (positions, N) is 0 are left out.
        """
        ...

    def softmax_crossentropy_gradient(self, Y: Array, Z: Array, weight: Array, positions: int = 1) -> Array:
        """Return ``softmax(z) * sum(y) - y`` of each position, over their number, weighted, (M, N)."""
        ...

    def activity_penalty_value(self, l1: float, l2: float, A: Array, weight: Array, terms: Array) -> Array:
        """Return ``terms``, (N,), plus each sample's weighted penalty, summed by ascending feature."""
        ...

    def activity_penalty_gradient(self, l1: float, l2: float, A: Array, weight: Array, dA: Array) -> Array:
        """Return ``dA``, (M, N), plus the gradient of the weighted penalty."""
        ...

    def mean_gradient(self, total: Array, samples: int) -> Array:
        """Return a sum over samples divided by their number."""
        ...

    def add_penalty_gradient(self, g: Array, w: Array, l1: float, l2: float) -> Array:
        """Return ``g`` plus the gradient of the penalty ``l1 |w| + l2 w^2``."""
        ...

    def penalty_sum(self, w: Array, l1: float, l2: float) -> Any:
        """Return the penalty of one parameter: its terms summed by the contract's rule 4."""
        ...

    def clip_by_value(self, g: Array, most: float) -> Array:
        """Return ``g`` held within ``[-most, most]``; NaN stays."""
        ...

    def clip_by_norm(self, g: Array, most: float) -> Array:
        """Return ``g`` scaled to norm ``most`` where its Euclidean norm is greater."""
        ...

    def optimizer_update(self, rule: UpdateRule, w: Array, g: Array, slots: tuple[Array, ...], scalars: Array) -> None:
        """Apply an update rule to ``w``, (n,), and to its state ``slots`` in place."""
        ...

    def sum_row(self, x: Array) -> Any:
        """Return the sum over samples of one number per sample (rule 3)."""
        ...

    def sum_vector(self, x: Array) -> Any:
        """Return the sum of all elements of a vector (rule 4)."""
        ...

    def apply_formula(self, name: str, *arrays: Array) -> Array:
        """Return a formula of ``fastnn.formulas.FORMULAS`` of arrays of any shape, element by element."""
        ...

    def sigmoid(self, Z: Array) -> Array:
        """Return ``1 / (1 + exp(-Z))``, element by element."""
        ...

    def first_outside(self, x: Array, low: float, high: float) -> int:
        """Return the position, in C order, of the first element that is NaN or not in [low, high], or -1."""
        ...

    def all_finite(self, x: Array) -> bool:
        """Return whether no element of an array of any shape and strides is NaN or infinite; it is not copied.

        Numbers that are not floats are finite.
        """
        ...
