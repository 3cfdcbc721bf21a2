"""What the op files say of their records: which operands, in which order.

Each op file has a table ``LOWER``: kind of op to a function of the plan's op that returns a ``Recipe``. ``lowering.py``
turns recipes into records.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnn.plan.plan import Op, Parameter, Tensor


@dataclass(frozen=True)
class Recipe:
    """The record of a per-sample op.

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
    """

    make: Callable[..., Any]
    static: tuple[Any, ...]
    addresses: tuple[str, ...]
    constants: tuple[int, ...]
    after: tuple[str, ...] = ()


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
