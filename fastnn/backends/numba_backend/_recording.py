"""What the op files say of their records: which operands, in which order.

Each op file has a table ``LOWER``: kind of op to a function of the plan's op and the ``Lowering`` that returns a
``Recipe``; and, if it sums gradients of weights, ``LOWER_GRADIENTS``: kind of op to a function that keeps what the sums
read and returns ``Gradient`` recipes. ``lowering.py`` turns recipes into records.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnn.plan.plan import Op, Parameter, Tensor


@dataclass(frozen=True)
class Recipe:
    """The record of a per-sample op or, with ``items``, of one over all samples of a step.

    Attributes
    ----------
    make : callable
        The op's maker; its first argument is the dtype.
    static : tuple
        The maker's other arguments.
    addresses : tuple of str
        Operands that are tensors or parameters, by name; None is recorded as 0.
    constants : tuple of int
        What stands behind the addresses and the bytes between blocks.
    after : tuple of str
        Operands whose addresses stand last.
    work : float
        Floating-point operations for a sample, to judge whether threads pay; 0 for 20 an element written.
    items : int or None
        Of an op that needs every sample before the next op starts: how many items it has, which threads share.
    cost : int
        An item's work relative to other such ops'.
    """

    make: Callable[..., Any]
    static: tuple[Any, ...]
    addresses: tuple[str, ...]
    constants: tuple[int, ...]
    after: tuple[str, ...] = ()
    work: float = 0.0
    items: int | None = None
    cost: int = 1


@dataclass(frozen=True)
class Gradient:
    """The record of an op that sums gradients of weights over the samples and hands them to ``finish``.

    Attributes
    ----------
    make : callable
        ``make(dtype, finish)`` returns the op; ``finish`` is said in ``_dense_weights.make_dense_backward_weights``.
    items : int
    operands : tuple of int
        Behind them stand the operands of ``finish`` for each parameter.
    parameters : tuple of Parameter
    cost : int
        An item's work relative to other such ops'.
    static : tuple
        The maker's further arguments.
    chain : tuple or None
        Another maker, whose op runs over the blocks of a thread (a region of kind ``CHAIN``), and what stands behind
        all other operands; None where that is not offered or does not pay.
    part : int
        Which worker's part of the layer's weights it is, where they are divided; records are ordered by it.
    """

    make: Callable[..., Any]
    items: int
    operands: tuple[int, ...]
    parameters: tuple[Parameter, ...]
    cost: int = 1
    static: tuple[Any, ...] = ()
    chain: tuple[Callable[..., Any], tuple[int, ...]] | None = None
    part: int = 0


def bits_of(value: float) -> int:
    """Return the raw bits of a float64 as an int64, the way records carry constants."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def rows_of(o: Op, name: str) -> int:
    """Return the rows of a tensor operand."""
    tensor = o.operands[name]
    assert isinstance(tensor, Tensor)
    return tensor.rows


def shape_of(o: Op, name: str) -> tuple[int, ...]:
    """Return the shape of a parameter operand."""
    parameter = o.operands[name]
    assert isinstance(parameter, Parameter)
    return parameter.shape
