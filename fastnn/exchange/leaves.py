"""The layers of a model that hold weights, those inside branches too, each with its arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastnn.layers import Layer
from fastnn.layers.branches import Add, Concatenate
from fastnn.plan import PlanBuilder
from fastnn.plan.plan import Parameter

if TYPE_CHECKING:
    from fastnn.models import Sequential

Address = tuple[int, ...]
"""Index of a layer in its model, then pairs of a branch's number and a place in it."""


@dataclass
class Leaf:
    """A layer that is no branching.

    Attributes
    ----------
    layer : Layer
    address : tuple of int
    parameters : list of Parameter
        Trained or not, in the order in which the layer made them.
    """

    layer: Layer
    address: Address
    parameters: list[Parameter] = field(default_factory=list)

    @property
    def label(self) -> str:
        """What the layer is called in messages."""
        inside = "".join(f", branch {b + 1}, {k + 1}" for b, k in zip(self.address[1::2], self.address[2::2]))
        return f"layer {self.address[0] + 1}{inside} ({type(self.layer).__name__})"


class _Recorder(PlanBuilder):
    """Notes who makes which array."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.made: list[tuple[Address, Parameter]] = []

    def parameter(self, *arguments: Any, **keywords: Any) -> Parameter:
        made = super().parameter(*arguments, **keywords)
        self.made.append(((self.layer, *self.path), made))
        return made


def _walk(layers: Sequence[Layer], address: Address) -> Iterator[Leaf]:
    for place, layer in enumerate(layers):
        here = (*address, place)
        if isinstance(layer, Add | Concatenate):
            for number, branch in enumerate(layer.branches):
                yield from _walk(branch, (*here, number))
        else:
            yield Leaf(layer, here)


def leaves(model: Sequential) -> list[Leaf]:
    """Return a built model's layers in the order in which samples pass them, branches from the first to the last."""
    builder = _Recorder(model._built_plan().inputs.shape)
    x = builder.inputs
    for builder.layer, layer in enumerate(model.layers):
        x = layer.build(builder, x)
    found = list(_walk(model.layers, ()))
    for address, parameter in builder.made:
        leaf = next(leaf for leaf in found if address[: len(leaf.address)] == leaf.address)
        leaf.parameters.append(parameter)
    return found
