"""Layers made of layers: branches that read the same samples and meet again, for residual networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.base import LAYERS, Layer
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.masks import either_mask, step_mask
from fastnn.plan.plan import Tensor


def checked_layers(what: str, layers: object) -> list[Layer]:
    """Return a branch's layers as a list, or raise an error that names it."""
    found = [layers] if isinstance(layers, Layer) else layers
    if not isinstance(found, list | tuple) or not all(isinstance(layer, Layer) for layer in found):
        raise InvalidTypeError(f"{what} takes layers ({', '.join(LAYERS)}), got {layers!r}")
    for layer in found:
        if layer.returns_state:
            raise InvalidValueError(
                f"{what}: {type(layer).__name__} with return_state=True must be a model's last layer"
            )
    return list(found)


def build_branch(plan: PlanBuilder, layers: Sequence[Layer], x: Tensor, number: int) -> Tensor:
    """Emit a stack of layers inside the current layer and return its output; ``number`` tells branches apart."""
    outer = plan.path
    for place, layer in enumerate(layers):
        plan.path = (*outer, number, place)
        x = layer.build(plan, x)
    plan.path = outer
    return x


@dataclass
class Add(Layer):
    """Sum the outputs of branches that all read the layer's input; an empty branch is the input itself.

    Parameters
    ----------
    branches : sequence of (sequence of Layer)
        At least two, of outputs of one shape. They are added from the first to the last.
    """

    kind = "add"

    branches: Any

    def __post_init__(self) -> None:
        if not isinstance(self.branches, list | tuple) or len(self.branches) < 2:
            raise InvalidTypeError(f"Add takes at least two branches, each a list of layers, got {self.branches!r}")
        self.branches = [checked_layers("a branch of Add", branch) for branch in self.branches]

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the branches and their sum."""
        ends = [build_branch(plan, branch, x, number) for number, branch in enumerate(self.branches)]
        if len({end.shape for end in ends}) > 1:
            shapes = ", ".join(str(end.shape) for end in ends)
            raise InvalidValueError(f"the branches of {type(self).__name__} must end in one shape, got {shapes}")
        total = ends[0]
        for end in ends[1:]:
            total = plan.add(total, end)
        return total


class Residual(Add):
    """Add a stack of layers to its own input: ``x + f(x)``.

    Parameters
    ----------
    layers : sequence of Layer
        ``f``.
    shortcut : sequence of Layer
        Applied to ``x`` where its shape must change; nothing by default.
    """

    kind = "residual"

    def __init__(self, layers: Any, shortcut: Any = ()) -> None:
        self.layers = checked_layers("Residual", layers)
        self.shortcut = checked_layers("shortcut", shortcut)
        super().__init__([self.shortcut, self.layers])

    def config(self) -> dict[str, Any]:
        """Return the settings by name."""
        return {"layers": self.layers, "shortcut": self.shortcut}


@dataclass
class Concatenate(Layer):
    """Join the outputs of branches that all read the layer's input; an empty branch is the input itself.

    Parameters
    ----------
    branches : sequence of (sequence of Layer)
        At least two, whose outputs are alike in every other axis. They are joined from the first to the last.
    axis : int
        Along which axis; -1, the last, are the channels. As in Keras axis 0 would be the samples, 1 is the first of a
        sample's.
    """

    kind = "concatenate"

    branches: Any
    axis: int = -1

    def __post_init__(self) -> None:
        if not isinstance(self.branches, list | tuple) or len(self.branches) < 2:
            raise InvalidTypeError(
                f"Concatenate takes at least two branches, each a list of layers, got {self.branches!r}"
            )
        self.branches = [checked_layers("a branch of Concatenate", branch) for branch in self.branches]
        if isinstance(self.axis, bool) or not hasattr(self.axis, "__index__"):
            raise InvalidTypeError(f"axis must be a whole number, got {self.axis!r}")
        self.axis = int(self.axis)
        if self.axis == 0:
            raise InvalidValueError("axis 0 are the samples; Concatenate joins along one of a sample's axes")

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the branches and join them."""
        ends = [build_branch(plan, branch, x, number) for number, branch in enumerate(self.branches)]
        shapes = ", ".join(str(end.shape) for end in ends)
        rank = len(ends[0].shape)
        axis = self.axis + rank if self.axis < 0 else self.axis - 1
        if not 0 <= axis < rank:
            raise InvalidValueError(f"the branches of Concatenate have no axis {self.axis}, they end in {shapes}")
        if len({(*end.shape[:axis], 0, *end.shape[axis + 1 :]) for end in ends}) > 1:
            raise InvalidValueError(f"the branches of Concatenate must be alike but for axis {self.axis}, got {shapes}")
        masks = [step_mask(plan, end) for end in ends] if rank == 2 else [None]
        z = joined_all(plan, ends, axis)
        if axis == 1:
            mask = either_mask(plan, masks)
        else:
            known = [mask for mask in masks if mask is not None]
            mask = joined_all(plan, known, 0) if len(known) == len(ends) else None
        if mask is not None:
            plan.masks[z.index] = mask
        return z


MOST_PARTS = 12
"""Parts that one op joins; more of them are joined a group at a time."""


def joined_all(plan: PlanBuilder, parts: Sequence[Tensor], axis: int) -> Tensor:
    """Emit the join of any number of tensors along one of their axes and return it."""
    while len(parts) > MOST_PARTS:
        groups = [parts[k : k + MOST_PARTS] for k in range(0, len(parts), MOST_PARTS)]
        parts = [joined(plan, group, axis) if len(group) > 1 else group[0] for group in groups]
    return joined(plan, parts, axis) if len(parts) > 1 else parts[0]


def joined(plan: PlanBuilder, parts: Sequence[Tensor], axis: int) -> Tensor:
    """Emit the join of tensors along one of their axes and return it."""
    shape = list(parts[0].shape)
    for part in parts[1:]:
        shape[axis] += part.shape[axis]
    z = plan.tensor(tuple(shape), "|".join(part.name for part in parts))
    operands = {f"A{k}": part for k, part in enumerate(parts)}
    plan.emit("concatenate", {"outer": math.prod(shape[:axis]), "parts": len(parts)}, ("Z",), **operands, Z=z)
    return z


LAYERS.register("add", Add)
LAYERS.register("residual", Residual)
LAYERS.register("concatenate", Concatenate)
