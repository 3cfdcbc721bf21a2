"""Embedding: whole numbers, such as the words of a text, become rows of a trained table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn import initializers, regularizers
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.base import LAYERS, Layer, check_rank, sample_shape, whole_number
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import KerasLayout, Tensor

EXACT = {np.dtype(np.float32): 2**24, np.dtype(np.float64): 2**53}
"""Whole numbers below which a float type holds each."""


@dataclass
class Embedding(Layer):
    """Look every number of a sample up in a trained table: (steps,) becomes (steps, output_dim).

    The first layer of a model only. Samples may have any shape; the table's elements become the last axis.

    Parameters
    ----------
    input_dim : int
        Rows of the table: numbers are 0 to ``input_dim - 1``.
    output_dim : int
        Elements of a row.
    embeddings_initializer : str or initializer
    embeddings_regularizer : str, Regularizer or None
    mask_zero : bool
        Whether 0 is padding that recurrent layers pass over (see ``Masking``); samples are then (steps,).
    input_shape : int or tuple of int, optional
        Shape of a sample, for a model that is to be built before it sees data.

    Raises
    ------
    InvalidValueError
        By ``fit``, ``predict`` and the like, before any work: a number is not whole or not in the table.

    Notes
    -----
    The table is stored as in Keras and PyTorch, (input_dim, output_dim). Numbers travel in the model's dtype, so a
    float32 model takes tables of up to 2^24 rows. The table's gradient adds, for each row, the places that hold its
    number: in the order of samples of rule 3, within its blocks of samples places outside and samples inside. A row
    whose number no sample holds has gradient +0, and an optimizer with momentum still moves it.
    """

    kind = "embedding"

    input_dim: int
    output_dim: int
    embeddings_initializer: Any = "random_uniform"
    embeddings_regularizer: Any = None
    mask_zero: bool = False
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.input_dim = whole_number("input_dim", self.input_dim)
        self.output_dim = whole_number("output_dim", self.output_dim)
        self.embeddings_initializer = initializers.get(self.embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(self.embeddings_regularizer)
        if not isinstance(self.mask_zero, bool):
            raise InvalidTypeError(f"mask_zero must be True or False, got {self.mask_zero!r}")
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the look-up."""
        if plan.layer > 0 or plan.path:
            raise InvalidValueError("Embedding must be the first layer of a model, since it takes whole numbers")
        regularizer = self.embeddings_regularizer
        table = plan.parameter("E", (self.input_dim, self.output_dim), self.embeddings_initializer,
                               (self.input_dim, self.output_dim),
                               (regularizer.l1, regularizer.l2) if regularizer else (0.0, 0.0),
                               keras=KerasLayout((0, 1)))  # fmt: skip
        z = plan.tensor((*x.shape, self.output_dim), f"Z{plan.number()}")
        if self.mask_zero:
            check_rank("Embedding with mask_zero", x, 1, "(steps,)")
            numbers, mask = plan.tensor(x.shape, "numbers"), plan.tensor(x.shape, "mask of numbers")
            static = {"value": 0.0, "steps": x.rows}
            plan.emit("sequence_mask", static, ("Z", "K"), A=x, Z=numbers, K=mask)
            plan.masks[z.index] = mask
        plan.emit("embedding_forward", None, ("Z",), A=x, E=table, Z=z)
        return z

    def check_input(self, name: str, x: Any, dtype: np.dtype[Any]) -> None:
        """Raise an error unless samples hold whole numbers that stand in the table."""
        if self.input_dim > EXACT[dtype]:
            raise InvalidValueError(
                f"Embedding: a {dtype} model holds whole numbers below {EXACT[dtype]}, got input_dim {self.input_dim}"
            )
        with np.errstate(invalid="ignore"):
            wrong = ~((x >= 0) & (x < self.input_dim))
            if x.dtype.kind == "f":
                wrong |= x != np.floor(x)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise InvalidValueError(
                f"{name} must hold whole numbers 0 to {self.input_dim - 1} for Embedding, got {x[at]} in sample {at[0]}"
            )


LAYERS.register("embedding", Embedding)
