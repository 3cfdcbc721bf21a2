"""Recurrent layers: one op walks a block of samples through all steps, another walks back.

The counterpart of ``numpy_backend/recurrent.py``. A step is a product that continues the sums of the inputs' products
(``_recurrent_steps.py``) and one loop over all units, which has a unit's gates in registers (``_simple_rnn.py``,
``_lstm.py``, ``_gru.py``). What the way back needs stays in tensors of the plan; it leaves the gradients of the
pre-activations in the gates' place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.activations import Activation
from fastnn.backends.numba_backend._gru import make_gru_backward, make_gru_forward
from fastnn.backends.numba_backend._lstm import make_lstm_backward, make_lstm_forward
from fastnn.backends.numba_backend._recording import Recipe, bits_of, rows_of, shape_of
from fastnn.backends.numba_backend._sequence_masks import make_mask_gradient, make_sequence_mask
from fastnn.backends.numba_backend._simple_rnn import make_simple_rnn_backward, make_simple_rnn_forward
from fastnn.backends.numba_backend.noise import DRAWING, make_dropout_forward
from fastnn.plan.plan import Op, Tensor
from fastnn.random.bernoulli import bernoulli_threshold


def _formulas(o: Op, name: str) -> tuple[Any, ...]:
    """Return what makers take for the cell's activation ``f`` and, where it has one, the gates' ``r``."""
    found: tuple[Any, ...] = ()
    for what in ("f", "r"):
        if what in o.static:
            activation = o.static[what]
            assert isinstance(activation, Activation)
            found += (getattr(activation, name), activation.alpha is not None)
    return found


def _numbers(o: Op) -> tuple[int, ...]:
    """Return the numbers of the steps."""
    visits = o.static["visits"]
    (at, out), (then, out_then) = visits[0], visits[min(1, len(visits) - 1)]
    alphas = (bits_of(o.static[name].alpha or 0.0) for name in ("f", "r") if name in o.static)
    outputs = 1 + max(place for _, place in visits)
    return shape_of(o, "W")[1], len(visits), at, then - at, out, out_then - out, outputs, *alphas


def _recipe(make: Any, formula: str, *names: str) -> Callable[[Op, Any], Recipe]:
    def recipe(o: Op, low: Any) -> Recipe:
        forward = "Y" in o.operands
        has = [o.operands[name] is not None for name in (("D", "K", "I") if forward else ("D", "K"))]
        first, second = o.operands["Z"], o.operands["G"]
        assert isinstance(first, Tensor) and isinstance(second, Tensor)
        apart = first.index != second.index
        rows, units = shape_of(o, "W")
        work = (2.0 * units + 20.0) * rows * len(o.static["visits"])
        return Recipe(make, (*_formulas(o, formula), apart, *has), names, _numbers(o), work=work)

    return recipe


def _dropout_mask(o: Op, low: Any) -> Recipe:
    """Return the record of dropout of whatever the workspace holds: the mask is what is wanted."""
    s = o.static
    constants = (s["rows"], 1, s["stream"], int(bernoulli_threshold(s["rate"])), bits_of(1.0 / (1.0 - s["rate"])))
    return Recipe(make_dropout_forward, (), ("work", "work", "M"), constants, work=DRAWING * s["rows"])


_FORWARD, _BACKWARD = ("Z", "G", "P", "H", "Y", "W", "D", "K"), ("Z", "G", "dY", "W", "D", "K", "dH", "kept")

LOWER = {
    "simple_rnn_forward": _recipe(make_simple_rnn_forward, "forward", *_FORWARD, "I"),
    "simple_rnn_backward": _recipe(make_simple_rnn_backward, "derivative", *_BACKWARD),
    "lstm_forward": _recipe(make_lstm_forward, "forward", *_FORWARD, "C", "F", "I"),
    "lstm_backward": _recipe(make_lstm_backward, "derivative", *_BACKWARD, "dC", "C", "F"),
    "gru_forward": _recipe(make_gru_forward, "forward", *_FORWARD, "b", "S", "sums", "I"),
    "gru_backward": _recipe(make_gru_backward, "derivative", *_BACKWARD, "H", "S", "dS"),
    "dropout_mask": _dropout_mask,
    "sequence_mask": lambda o, low: Recipe(
        make_sequence_mask,
        (),
        ("A", "Z", "K"),
        (o.static["steps"], rows_of(o, "A") // o.static["steps"], bits_of(o.static["value"])),
    ),
    "mask_gradient": lambda o, low: Recipe(
        make_mask_gradient, (), ("K", "dZ"), (o.static["steps"], rows_of(o, "dZ") // o.static["steps"])
    ),
}
