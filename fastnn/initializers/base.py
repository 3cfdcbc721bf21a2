"""What an initializer is: a rule that fills a new parameter of a layer from its shape, its fans and the seed.

Values are drawn and scaled in float64 and rounded once to the network's dtype, by NumPy unless told
otherwise, so every backend starts from the same bits, and the float32 weights are the float64 ones, rounded.
A draw is named by (seed, layer, parameter): the weights of one layer do not depend on how many other layers
there are before it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.backends.numpy_backend import random as numpy_random
from fastnn.errors import InvalidTypeError, InvalidValueError, unknown_name
from fastnn.random.counter import (
    MAX_ELEMENT,
    MAX_LAYER,
    MAX_SEED,
    MAX_STEP,
    Purpose,
    checked_float_dtype,
    checked_integer,
)
from fastnn.registry import Registry


def finite(name: str, value: object) -> float:
    """Return ``value`` as a finite float, or raise an error that names the argument."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InvalidTypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise InvalidValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def non_negative(name: str, value: object) -> float:
    """Return ``value`` as a finite float that is at least 0, or raise an error that names the argument."""
    number = finite(name, value)
    if number < 0:
        raise InvalidValueError(f"{name} must be at least 0, got {value!r}")
    return number


@dataclass(frozen=True)
class Draw:
    """The random numbers of one parameter, in float64.

    Attributes
    ----------
    random : module
        A backend's ``random``.
    seed, layer, parameter : int
        Which numbers.
    """

    random: Any
    seed: int
    layer: int
    parameter: int

    def __call__(self, name: str, *size: int) -> NDArray[np.float64]:
        """Return what the function ``name`` of the module draws: ``n`` numbers, or ``rows`` x ``columns``."""
        where = (self.seed, Purpose.WEIGHTS, self.parameter, self.layer)
        dtype = () if name == "orthogonal" else (np.float64,)
        values: NDArray[np.float64] = getattr(self.random, name)(*where, *size, *dtype)
        return values


@dataclass(frozen=True)
class Initializer(ABC):
    """Base class of the initializers: immutable, compared by their arguments.

    One with arguments is a frozen dataclass; one without needs no decorator.
    """

    name: ClassVar[str]

    @abstractmethod
    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        """Return the values in float64, of any shape with as many elements as ``shape``."""

    def __call__(
        self,
        shape: Sequence[int],
        fan_in: int,
        fan_out: int,
        dtype: Any = np.float32,
        seed: int = 0,
        layer: int = 0,
        *,
        parameter: int = 0,
        random: Any = numpy_random,
    ) -> NDArray[Any]:
        """Return a new array of start values.

        Parameters
        ----------
        shape : sequence of int
            Outputs (units, filters) first, as in ``W`` of ``Z = W A + b``.
        fan_in, fan_out : int
            How many inputs feed one output and how many outputs one input feeds.
        dtype : float32 or float64
        seed : int
            Below 2^64.
        layer : int
            Index of the layer in the model, below 2^24.
        parameter : int
            Index of the parameter in its layer, where a layer has several that are drawn; below 2^32.
        random : module
            A backend's ``random`` module to draw with; the bits are the same with each.

        Returns
        -------
        array of ``shape``, C order

        Raises
        ------
        InvalidTypeError, InvalidValueError
            An argument is no integer, negative or above its limit; the dtype is another; the initializer does
            not work for the shape.

        Examples
        --------
        >>> from fastnn.initializers import RandomNormal
        >>> RandomNormal(stddev=0.01)((2, 3), 3, 2, seed=7).shape
        (2, 3)
        """
        if isinstance(shape, (str, bytes)) or not isinstance(shape, Sequence):
            raise InvalidTypeError(f"shape must be a sequence of integers, got {shape!r}")
        sides = tuple(checked_integer("each side of shape", side, MAX_ELEMENT) for side in shape)
        inputs = checked_integer("fan_in", fan_in, MAX_ELEMENT)
        outputs = checked_integer("fan_out", fan_out, MAX_ELEMENT)
        kind = checked_float_dtype(dtype)
        draw = Draw(
            random,
            checked_integer("seed", seed, MAX_SEED),
            checked_integer("layer", layer, MAX_LAYER),
            checked_integer("parameter", parameter, MAX_STEP),
        )
        return self._values(sides, inputs, outputs, draw).reshape(sides).astype(kind, copy=False)

    def config(self) -> dict[str, Any]:
        """Return the name and every argument; ``from_config`` makes an equal initializer of it."""
        return {"name": self.name} | {f.name: getattr(self, f.name) for f in fields(self)}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> Initializer:
        """Return the initializer that ``config`` describes.

        Raises
        ------
        InvalidValueError
            The name is missing or unknown, or an argument is unknown or out of range.
        """
        arguments = dict(config)
        if "name" not in arguments:
            raise InvalidValueError(f"an initializer's config needs a 'name', got {sorted(arguments)}")
        initializer = INITIALIZERS[arguments.pop("name")]
        accepted = [f.name for f in fields(initializer)]
        for argument in arguments:
            if argument not in accepted:
                raise unknown_name(f"argument of {initializer.__name__}", argument, accepted)
        return initializer(**arguments)


INITIALIZERS: Registry[type[Initializer]] = Registry("initializer", "fastnn.initializers")


def get(initializer: str | Initializer | type[Initializer] | Mapping[str, Any]) -> Initializer:
    """Return the initializer that ``initializer`` names.

    Parameters
    ----------
    initializer : str, Initializer, type or mapping
        A registered name or class (made with its defaults), an ``Initializer`` (returned as it is) or the
        mapping that ``config()`` returns.

    Raises
    ------
    UnknownNameError
        No initializer has that name.
    InvalidTypeError
        It is something else.

    Examples
    --------
    >>> get("random_normal").stddev
    0.01
    """
    if isinstance(initializer, Initializer):
        return initializer
    if isinstance(initializer, str):
        return INITIALIZERS[initializer]()
    if isinstance(initializer, type) and issubclass(initializer, Initializer):
        return initializer()
    if isinstance(initializer, Mapping):
        return Initializer.from_config(initializer)
    raise InvalidTypeError(f"an initializer is a name, an Initializer or its config, got {initializer!r}")


def register(initializer: type[Initializer]) -> type[Initializer]:
    """Add a class to ``INITIALIZERS`` under its name."""
    return INITIALIZERS.register(initializer.name, initializer)
