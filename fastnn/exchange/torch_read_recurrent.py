"""How PyTorch's recurrent modules are read: gates in our order, two biases as one where we have one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import layers as L

if TYPE_CHECKING:
    from fastnn.exchange.torch_reader import Reader

Array = np.ndarray[Any, Any]


def _core(m: Any, layer: int, suffix: str, array: Callable[[Any], Array], **settings: Any) -> tuple[Any, list[Any]]:
    """Return one layer and direction of a recurrent module, and its weights."""
    W, U = (array(getattr(m, f"weight_{name}_l{layer}{suffix}")) for name in ("ih", "hh"))
    kind = type(m).__name__
    gates = [1, 0, 2] if kind == "GRU" else list(range(len(W) // m.hidden_size))
    biases = [array(getattr(m, f"bias_{name}_l{layer}{suffix}")) for name in ("ih", "hh")] if m.bias else []

    def ordered(values: Array) -> Array:
        return values.reshape(len(gates), m.hidden_size, *values.shape[1:])[gates].reshape(values.shape)

    if kind == "RNN":
        settings["activation"] = m.nonlinearity
    if kind != "GRU" and biases:
        biases = [biases[0] + biases[1]]
    made = {"RNN": L.SimpleRNN, "LSTM": L.LSTM, "GRU": L.GRU}[kind](m.hidden_size, use_bias=m.bias, **settings)
    return made, [ordered(values) for values in (W, U, *biases)]


def _check_core(r: Reader, m: Any) -> None:
    r.to_last()
    if not m.batch_first:
        raise r.fail("samples come first here: make the module with batch_first=True, its weights are the same")
    if getattr(m, "proj_size", 0):
        raise r.fail("proj_size has no match")


def recurrent(r: Reader, m: Any) -> None:
    """Read all layers and directions of an RNN, LSTM or GRU: its outputs of all steps."""
    _check_core(r, m)
    for layer in range(m.num_layers):
        if layer and m.dropout:
            r.add(L.Dropout(m.dropout))
        made, weights = _core(m, layer, "", r.array, return_sequences=True)
        if m.bidirectional:
            weights += _core(m, layer, "_reverse", r.array)[1]
            made = L.Bidirectional(made)
        r.add(made, *weights)


def own_recurrent(r: Reader, m: Any) -> None:
    """Read ``Recurrent``: one layer and direction."""
    made, weights = _wrapped(r, m)
    r.add(made, *weights)


def _wrapped(r: Reader, m: Any) -> tuple[Any, list[Any]]:
    _check_core(r, m.core)
    if m.core.num_layers > 1 or m.core.bidirectional:
        raise r.fail("Recurrent holds a module of one layer and direction")
    return _core(m.core, 0, "", r.array, return_sequences=m.return_sequences, go_backwards=m.go_backwards)


def own_bidirectional(r: Reader, m: Any) -> None:
    """Read ``Bidirectional``: both directions, however joined."""
    (forwards, weights), (backwards, more) = _wrapped(r, m.forwards), _wrapped(r, m.backwards)
    r.add(L.Bidirectional(forwards, m.merge_mode, backwards), *weights, *more)
