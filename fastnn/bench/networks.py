"""What a row's network is made of: layers as shapes, the same description for every system.

A layer says what shape comes out, which arrays it has and how many products it takes; each peer builds it in its own
words. Samples and arrays are laid out as in Keras: images (height, width, channels), sequences (steps, features);
kernels (inputs, units) or (rows, columns, channels, filters); gates i, f, c, o and z, r, h.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

Shape = tuple[int, ...]

GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}
"""Sums a unit of each recurrent cell."""


class Products(NamedTuple):
    """Multiply-adds of one sample going forward: those with the layer's input, those with its own earlier state."""

    inputs: int = 0
    state: int = 0


@dataclass(frozen=True)
class Layer:
    """A layer without arrays and products; the base of the others."""

    def output(self, shape: Shape) -> Shape:
        """Return the shape of a sample that comes out when one of ``shape`` goes in."""
        return shape

    def arrays(self, shape: Shape) -> list[Shape]:
        """Return the shapes of the arrays, biases last."""
        return []

    def products(self, shape: Shape) -> Products:
        """Return the multiply-adds of one sample."""
        return Products()

    def at_most(self, limit: int) -> Layer:
        """Return the layer with no more than ``limit`` units."""
        return self


@dataclass(frozen=True)
class Dense(Layer):
    """Every unit sees every feature: W (features, units), b (units,)."""

    units: int
    activation: str

    def output(self, shape: Shape) -> Shape:  # noqa: D102
        return (self.units,)

    def arrays(self, shape: Shape) -> list[Shape]:  # noqa: D102
        return [(shape[0], self.units), (self.units,)]

    def products(self, shape: Shape) -> Products:  # noqa: D102
        return Products(shape[0] * self.units)

    def at_most(self, limit: int) -> Layer:  # noqa: D102
        return replace(self, units=min(self.units, limit))


@dataclass(frozen=True)
class Conv2D(Layer):
    """A square kernel over images, stride 1: W (size, size, channels, filters), b (filters,).

    Products are counted at every place and every tap, also where a tap lies in the padding.
    """

    filters: int
    size: int
    padding: str
    activation: str

    def output(self, shape: Shape) -> Shape:  # noqa: D102
        lost = 0 if self.padding == "same" else self.size - 1
        return shape[0] - lost, shape[1] - lost, self.filters

    def arrays(self, shape: Shape) -> list[Shape]:  # noqa: D102
        return [(self.size, self.size, shape[2], self.filters), (self.filters,)]

    def products(self, shape: Shape) -> Products:  # noqa: D102
        rows, columns, filters = self.output(shape)
        return Products(rows * columns * filters * self.size**2 * shape[2])

    def at_most(self, limit: int) -> Layer:  # noqa: D102
        return replace(self, filters=min(self.filters, limit))


@dataclass(frozen=True)
class MaxPool2D(Layer):
    """The greatest of each square of ``size``, squares side by side."""

    size: int

    def output(self, shape: Shape) -> Shape:  # noqa: D102
        return shape[0] // self.size, shape[1] // self.size, shape[2]


@dataclass(frozen=True)
class GlobalAverage2D(Layer):
    """Each channel's mean."""

    def output(self, shape: Shape) -> Shape:  # noqa: D102
        return (shape[2],)


@dataclass(frozen=True)
class Flatten(Layer):
    """All features in one row."""

    def output(self, shape: Shape) -> Shape:  # noqa: D102
        count = 1
        for size in shape:
            count *= size
        return (count,)


@dataclass(frozen=True)
class Recurrent(Layer):
    """A sequence to its last state: W (features, gates * units), U (units, gates * units), b (gates * units,).

    The GRU has a second bias, of the products with the state, and its reset gate multiplies those products.
    """

    cell: str
    units: int

    def output(self, shape: Shape) -> Shape:  # noqa: D102
        return (self.units,)

    def arrays(self, shape: Shape) -> list[Shape]:  # noqa: D102
        rows = GATES[self.cell] * self.units
        return [(shape[1], rows), (self.units, rows), *[(rows,)] * (2 if self.cell == "gru" else 1)]

    def products(self, shape: Shape) -> Products:  # noqa: D102
        rows = shape[0] * GATES[self.cell] * self.units
        return Products(rows * shape[1], rows * self.units)

    def at_most(self, limit: int) -> Layer:  # noqa: D102
        return replace(self, units=min(self.units, limit))


@dataclass(frozen=True)
class Network:
    """Layers on samples of a shape."""

    input_shape: Shape
    layers: tuple[Layer, ...]

    def walk(self) -> list[tuple[Layer, Shape]]:
        """Return each layer with the shape of the samples that it gets."""
        found, shape = [], self.input_shape
        for layer in self.layers:
            found.append((layer, shape))
            shape = layer.output(shape)
        return found

    @property
    def outputs(self) -> int:
        """Features that come out."""
        layer, shape = self.walk()[-1]
        return layer.output(shape)[-1]

    def flops(self, training: bool) -> int:
        """Return the floating-point operations of all products of one sample, forward or forward and backward."""
        total = 0
        for place, (layer, shape) in enumerate(self.walk()):
            inputs, state = layer.products(shape)
            # Weight gradients cost what the forward pass costs, and so do the inputs', but the data need none.
            backward = inputs + 2 * state + (inputs if place else 0)
            total += 2 * (inputs + state + (backward if training else 0))
        return total

    def with_arrays(self, weights: list[tuple[Any, ...]]) -> list[tuple[Layer, tuple[Any, ...]]]:
        """Return each layer with its arrays, of ``weights`` that hold one tuple a layer that has any."""
        arrays = iter(weights)
        return [(layer, next(arrays) if layer.arrays(shape) else ()) for layer, shape in self.walk()]

    def at_most(self, limit: int) -> Network:
        """Return a small network of the same kind: units up to ``limit``, images of 12 pixels, 3 steps."""
        *axes, features = self.input_shape
        most = {0: 0, 1: 3, 2: 12}[len(axes)]
        shape = (*(min(n, most) for n in axes), min(features, limit))
        return Network(shape, tuple(layer.at_most(limit) for layer in self.layers))


def dense(sizes: Shape, hidden: str, output: str) -> Network:
    """Return a network of dense layers: features in, hidden units, ..., units out."""
    names = [hidden] * (len(sizes) - 2) + [output]
    return Network(sizes[:1], tuple(Dense(n, name) for n, name in zip(sizes[1:], names)))


def lenet() -> Network:
    """Return LeNet-5 as PyTorch's examples have it: rectifiers and max pooling, 28 x 28 images of one channel."""
    return Network(
        (28, 28, 1),
        (
            Conv2D(6, 5, "same", "relu"), MaxPool2D(2), Conv2D(16, 5, "valid", "relu"), MaxPool2D(2), Flatten(),
            Dense(120, "relu"), Dense(84, "relu"), Dense(10, "softmax"),
        ),
    )  # fmt: skip


def recurrent(cell: str) -> Network:
    """Return a cell of 64 units that reads 28 rows of 28 pixels, and 10 classes from its last state."""
    return Network((28, 28), (Recurrent(cell, 64), Dense(10, "softmax")))


def convolutions(count: int) -> Network:
    """Return ``count`` convolutions 3 x 3, 32 to 32 channels on 32 x 32, then 10 classes from the channels' means.

    With two of them, one has an input that needs a gradient.
    """
    layers = [Conv2D(32, 3, "same", "linear") for _ in range(count)]
    return Network((32, 32, 32), (*layers, GlobalAverage2D(), Dense(10, "softmax")))
