"""What a layer is: settings, and a way to write itself into a plan."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor
from fastnn.registry import Registry


@contextlib.contextmanager
def naming(layer: str) -> Iterator[None]:
    """Let errors about settings say of which layer."""
    try:
        yield
    except (InvalidValueError, InvalidTypeError) as error:
        if str(error).startswith(layer):
            raise
        raise type(error)(f"{layer}: {error}") from None


class Layer(ABC):
    """Base class of the layers.

    Attributes
    ----------
    kind : str
        The name under which the layer is registered.
    """

    kind: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check = cls.__dict__.get("__post_init__")
        if check is not None:

            @functools.wraps(check)
            def named(self: Any) -> None:
                with naming(type(self).__name__):
                    check(self)

            cls.__post_init__ = named  # type: ignore[attr-defined]

    @abstractmethod
    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the layer's ops on ``x`` and return its output tensor."""

    def check_input(self, name: str, x: Any, dtype: Any) -> None:  # noqa: B027 (no layer need say more)
        """Raise an error unless samples hold what this layer takes as a model's first; their shape is checked before.

        Parameters
        ----------
        name : str
            What the argument is called.
        x : ndarray (N, features)
        dtype : numpy dtype
            The model's.
        """

    @property
    def stated_shape(self) -> tuple[int, ...] | None:
        """Shape of a sample, where the layer states it: its ``input_shape``."""
        return sample_shape(getattr(self, "input_shape", None))

    @property
    def returns_state(self) -> bool:
        """Whether a prediction holds the layer's last states besides its output, so that no layer can follow."""
        return False

    def config(self) -> dict[str, Any]:
        """Return the settings by name."""
        assert dataclasses.is_dataclass(self)
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}


LAYERS: Registry[type[Layer]] = Registry("layer", "fastnn.layers")

AXES = {1: "(steps, channels)", 2: "(height, width, channels)"}
"""Axes of a sample by the number of those that windows slide along."""


def whole_number(name: str, value: object) -> int:
    """Return ``value`` as a positive int, or raise an error that names the argument."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidTypeError(f"{name} must be a whole number, got {value!r}")
    number = value.__index__()
    if number < 1:
        raise InvalidValueError(f"{name} must be at least 1, got {value!r}")
    return int(number)


def whole_numbers(name: str, value: Any, count: int) -> tuple[int, ...]:
    """Return ``count`` positive ints: one for each axis, or the same one for all."""
    if isinstance(value, tuple | list):
        if len(value) != count:
            raise InvalidValueError(f"{name} must hold {count} whole number{'s'[: count > 1]}, got {value!r}")
        return tuple(whole_number(name, n) for n in value)
    return (whole_number(name, value),) * count


def sample_shape(shape: object) -> tuple[int, ...] | None:
    """Return the shape of a sample that ``input_shape`` states: a whole number or a tuple of them."""
    if shape is None:
        return None
    if not isinstance(shape, tuple | list):
        return (whole_number("input_shape", shape),)
    if not shape:
        raise InvalidValueError("input_shape must hold at least one number, the features of a sample, got ()")
    found = tuple(whole_number("input_shape", n) if n != 0 else 0 for n in shape)
    if 0 in found:
        raise InvalidValueError(f"input_shape must be at least 1 along every axis, got {found}")
    return found


def check_rank(layer: str, x: Tensor, rank: int, meaning: str) -> None:
    """Raise an error that names the layer unless samples have ``rank`` axes; ``meaning`` says which."""
    if len(x.shape) != rank:
        raise InvalidValueError(f"{layer} takes samples of shape {meaning}, got {x.shape}")
