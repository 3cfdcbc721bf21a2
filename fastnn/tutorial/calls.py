"""Calls of the tutorial's functions that come again and again: a training loop calls each with arrays of the same
shapes.

After a few such calls the backend makes a function for the next ones, which looks at types and shapes itself and
takes less time than a look at them from here. Whatever it does not take goes the long way, as the first calls did.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.backends.protocol import Backend
from fastnn.plan.dense_network import DenseNetwork
from fastnn.tutorial.checks import layer_names

Array = np.ndarray[Any, Any]

CALLS_BEFORE = 8
"""Calls of one kind that are looked at piece by piece before a function of their own is made."""

KEPT = 256
"""Kinds of calls that are remembered."""

_shape = operator.attrgetter("shape")


@functools.lru_cache(maxsize=64)
def _taker(kinds: str, count: int) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return what takes the ``count`` values of a dictionary in the order of layers, or raises KeyError."""
    names = layer_names(kinds, count // 2)
    if len(names) != count or not names:
        raise KeyError(kinds)
    return operator.itemgetter(*names)


class _RepeatedCalls:
    """The calls of one of the tutorial's functions.

    ``settings`` is a tuple of all that a call says beside its arrays: the backend, names of activations.
    """

    def __init__(self) -> None:
        # a function, or how many calls there were
        self._kinds: dict[tuple[Any, ...], Any] = {}
        self._last: tuple[Any, Any] = None, None

    def result(self, settings: tuple[Any, ...], arrays: tuple[Any, ...], *more: Any) -> Any:
        """Return what a function made for such calls returns, or None."""
        last, run = self._last  # the next call is most likely like the last
        try:
            found = run(arrays, *more) if last == settings else None
        except (TypeError, ValueError):
            found = None
        if found is None:
            try:
                run = self._kinds[settings, tuple(map(_shape, arrays))]
                found = run(arrays, *more)
            except (AttributeError, KeyError, TypeError, ValueError):
                return None
            if found is not None:
                self._last = settings, run
        return found

    def count(self, settings: tuple[Any, ...], arrays: Sequence[Array], make: Callable[[], Any]) -> None:
        """Count a call that went the long way; when there have been several like it, make a function for the next."""
        kind = settings, tuple(map(_shape, arrays))
        calls = self._kinds.get(kind, 0)
        if isinstance(calls, int):
            if len(self._kinds) >= KEPT:
                self._kinds.clear()
            self._kinds[kind] = make() if calls == CALLS_BEFORE else calls + 1


_forward, _backward, _update = _RepeatedCalls(), _RepeatedCalls(), _RepeatedCalls()


def forward(engine: Backend, parameters: Any, X: Any, hidden: Any,
            output: Any) -> tuple[Array, dict[str, Array], bool] | None:  # fmt: skip
    """Return AL, values by name and whether Z1 is finite, of a call like many before, else None."""
    try:
        arrays = (*_taker("W b", len(parameters))(parameters), X)
    except (KeyError, TypeError):
        return None
    found: tuple[Array, dict[str, Array], bool] | None = _forward.result((engine, hidden, output), arrays)
    return found


def count_forward(engine: Backend, arrays: Sequence[Array], hidden: Any, output: Any, network: DenseNetwork,
                  dtype: np.dtype[Any]) -> None:  # fmt: skip
    """Count a call that went the long way."""
    samples = arrays[-1].shape[1]
    _forward.count((engine, hidden, output), arrays, lambda: engine.network_function(network, dtype, samples))


def backward(engine: Backend, parameters: Any, cache: Any, X: Any, Y: Any, hidden: Any,
             output: Any) -> dict[str, Array] | None:  # fmt: skip
    """Return gradients by name, of a call like many before, else None."""
    try:
        taken, values = _taker("W b", len(parameters))(parameters), _taker("Z A", len(cache))(cache)
    except (KeyError, TypeError):
        return None
    found: dict[str, Array] | None = _backward.result((engine, hidden, output), (*taken, X, Y, *values))
    return found


def count_backward(engine: Backend, arrays: Sequence[Array], hidden: Any, output: Any, network: DenseNetwork,
                   dtype: np.dtype[Any]) -> None:  # fmt: skip
    """Count a call that went the long way."""
    samples = arrays[-1].shape[1]
    _backward.count((engine, hidden, output), arrays, lambda: engine.gradients_function(network, dtype, samples))


def update(engine: Backend, parameters: Any, grads: Any, rate: float) -> dict[str, Array] | None:
    """Return new parameters by name, of a call like many before, else None."""
    try:
        taken, gradients = _taker("W b", len(parameters))(parameters), _taker("dW db", len(grads))(grads)
    except (KeyError, TypeError):
        return None
    found: dict[str, Array] | None = _update.result((engine,), (*taken, *gradients), rate)
    return found


def count_update(engine: Backend, arrays: Sequence[Array], gradients: Sequence[Array], dtype: np.dtype[Any]) -> None:
    """Count a call that went the long way."""
    shapes = [a.shape for a in arrays]
    _update.count((engine,), (*arrays, *gradients), lambda: engine.update_function(shapes, dtype))
