"""How recurrent layers are written: gates in PyTorch's order, and the second of two biases zero where we have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.activations import ACTIVATIONS
from fastnn.errors import InvalidValueError

if TYPE_CHECKING:
    from fastnn.exchange.torch_writer import Place, Writer

Array = np.ndarray[Any, Any]
Module = Any

CORES = {"simple_rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def _core(w: Writer, place: Place, layer: Any, arrays: dict[str, Array], aligned: bool) -> Module:
    f, r = layer.activation, getattr(layer, "recurrent_activation", None)
    accepted = ("tanh", "relu") if layer.kind == "simple_rnn" else ("tanh",)
    if f.name not in accepted or ACTIVATIONS[f.name] is not f:
        raise InvalidValueError(
            f"{place.label}: PyTorch's {CORES[layer.kind]} has activation {' or '.join(accepted)}, got {f.name!r}"
        )
    if r is not None and r is not ACTIVATIONS["sigmoid"]:
        raise InvalidValueError(f"{place.label}: PyTorch's recurrent activation is sigmoid, got {r.name!r}")
    for setting in ("recurrent_dropout", "stateful", "return_state"):
        if getattr(layer, setting):
            raise InvalidValueError(
                f"{place.label}: {setting} cannot be said by a module of PyTorch's in a row of them"
            )
    settings = {"nonlinearity": f.name} if layer.kind == "simple_rnn" else {}
    W, U = arrays["W"], arrays["U"]
    core = getattr(w.nn, CORES[layer.kind])(
        W.shape[1], layer.units, bias=layer.use_bias, batch_first=True, **settings
    )  # fmt: skip
    gates = [1, 0, 2] if layer.kind == "gru" else list(range(len(W) // layer.units))
    zeros = np.zeros(len(W))

    def ordered(array: Array) -> Array:
        return array.reshape(len(gates), layer.units, *array.shape[1:])[gates].reshape(array.shape)

    core = w.filled(core, weight_ih_l0=ordered(W), weight_hh_l0=ordered(U), bias_ih_l0=ordered(arrays.get("b", zeros)),
                    bias_hh_l0=ordered(arrays.get("bU", zeros)))  # fmt: skip
    return w.own.Recurrent(core, layer.return_sequences, layer.go_backwards, aligned)


def recurrent(w: Writer, place: Place) -> list[Module]:
    """Return a recurrent layer, behind the dropout of its inputs: one draw for all steps."""
    core = _core(w, place, place.layer, place.weights, False)
    rate = place.layer.dropout
    return [*([w.first(w.nn.Dropout1d(rate))] if rate else []), core]


def bidirectional(w: Writer, place: Place) -> list[Module]:
    """Return both directions and their join."""
    layer = place.layer
    forwards = _core(w, place, layer.layer, place.arrays[0], True)
    backwards = _core(w, place, layer.backward_layer or layer.layer, place.arrays[1], True)
    if layer.backward_layer is None:
        backwards.go_backwards = not forwards.go_backwards
    if layer.layer.dropout:
        raise InvalidValueError(f"{place.label}: PyTorch has no dropout of the inputs of each direction by itself")
    return [w.own.Bidirectional(forwards, backwards, layer.merge_mode)]
