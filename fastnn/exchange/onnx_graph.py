"""An ONNX graph in the making: nodes, constants, and the layouts in which each tensor of a plan is at hand.

A tensor of a plan is (N, ...) with the channels last; ONNX wants the channels of images first and the steps of
recurrent networks outside. A layout is a permutation of the axes: place k of the value holds axis ``layout[k]`` of
(N, ...). What works elementwise stays in the layout in which its input is at hand, so that transposes stand only where
neighbors really differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastnn.optional import load
from fastnn.plan.plan import Parameter, Tensor

Array = np.ndarray[Any, Any]
Layout = tuple[int, ...]


def last(rank: int) -> Layout:
    """Return the layout of samples with ``rank`` axes as a user holds them."""
    return tuple(range(rank + 1))


def first(rank: int) -> Layout:
    """Return the layout (N, channels, ...)."""
    return (0, rank, *range(1, rank))


STEPS_OUTSIDE: Layout = (1, 0, 2)
"""(steps, N, features)."""


class OnnxGraph:
    """Collects nodes and constants.

    Parameters
    ----------
    dtype : numpy dtype
        float32 or float64, of all numbers.
    arrays : mapping
        Weights by the names of their parameters.
    """

    def __init__(self, dtype: np.dtype[Any], arrays: Mapping[str, Array]) -> None:
        self.dtype = dtype
        self.arrays = arrays
        self.onnx = load("onnx", purpose="export_onnx")
        self.helper = load("onnx.helper", purpose="export_onnx")
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.scope = ""
        self.batch = ""  # the value whose first axis are the samples
        self.folded: dict[int, Any] = {}  # dense ops that a recurrent node computes, by the tensor they write
        self.last_states: list[tuple[str, int]] = []  # that recurrent layers ended in, and their units
        self.whole_input: int | None = None  # the samples' tensor where they are whole numbers
        self._names: set[str] = set()
        self._constants: dict[tuple[Any, ...], str] = {}
        self._held: dict[int, list[tuple[str, tuple[int, ...], Layout]]] = {}

    # --- nodes ------------------------------------------------------------------------------------

    def name(self, wish: str) -> str:
        """Return a name that no other value has."""
        found, number = wish, 1
        while found in self._names:
            number += 1
            found = f"{wish}_{number}"
        self._names.add(found)
        return found

    def add(self, kind: str, *inputs: str, wish: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """Append a node and return the name of its output, or a list of them.

        Parameters
        ----------
        kind : str
            ONNX's name of the operator.
        *inputs : str
            Names of values; "" for an optional one that is left out.
        wish : str
            What the output is to be called if no other is; the layer and the operator by default.
        outputs : int
        **attributes
        """
        names = [self.name(wish or f"{self.scope}/{kind}") for _ in range(outputs)]
        node = self.helper.make_node(kind, list(inputs), names, name=self.name(f"{self.scope}:{kind}"), **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, wish: str = "constant", dtype: Any = None) -> str:
        """Return the name of a constant array, in the graph's dtype unless another is given; equal ones are shared."""
        array = np.ascontiguousarray(np.asarray(value, self.dtype if dtype is None else dtype))
        array = array.reshape(np.shape(value))  # ascontiguousarray gives a number an axis
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self._constants[key] = self.name(wish)
            self.initializers.append(self.onnx.numpy_helper.from_array(array, name))
        return self._constants[key]

    def whole(self, *numbers: int) -> str:
        """Return the name of a constant vector of int64: shapes, axes, indices."""
        return self.constant(list(numbers), "numbers", np.int64)

    def array(self, parameter: Any) -> Array:
        """Return a parameter's values in the graph's dtype."""
        assert isinstance(parameter, Parameter)
        return self.arrays[parameter.name].astype(self.dtype)

    @property
    def element(self) -> int:
        """ONNX's number of the graph's dtype."""
        return int(self.helper.np_dtype_to_tensor_dtype(self.dtype))

    def batch_size(self) -> str:
        """Return a vector of one number: how many samples there are."""
        return str(self.add("Shape", self.batch, start=0, end=1))

    @contextmanager
    def body(self) -> Iterator[list[Any]]:
        """Collect the nodes of a loop's body instead of the graph's; constants stay the graph's."""
        outer, self.nodes = self.nodes, []
        try:
            yield self.nodes
        finally:
            self.nodes = outer

    def finish(self, name: str, wish: str) -> None:
        """Rename the value that a node puts out; one that no node does is copied."""
        makers = [node for node in self.nodes if name in node.output]
        if not makers:
            self.nodes.append(self.helper.make_node("Identity", [name], [wish]))
            return
        for node in self.nodes:
            for names in (node.input, node.output):
                for place, found in enumerate(names):
                    if found == name:
                        names[place] = wish

    # --- tensors ----------------------------------------------------------------------------------

    def put(self, tensor: Any, name: str, layout: Layout | None = None) -> None:
        """Say that a value holds a tensor of the plan, in a layout; what was held of it before is forgotten."""
        assert isinstance(tensor, Tensor)
        self._held[tensor.index] = [(name, tensor.shape, last(len(tensor.shape)) if layout is None else layout)]

    def take(self, tensor: Any, layout: Layout | None = None) -> str:
        """Return the value that holds a tensor in a layout, (N, ...) by default; it is made if there is none."""
        assert isinstance(tensor, Tensor)
        wanted = last(len(tensor.shape)) if layout is None else layout
        held = self._held[tensor.index]
        for name, shape, found in held:
            if shape == tensor.shape and found == wanted:
                return name
        same = [entry for entry in held if entry[1] == tensor.shape]
        name = self._turned(*same[0], wanted) if same else self._viewed(tensor, wanted)
        held.append((name, tensor.shape, wanted))
        return name

    def _turned(self, name: str, shape: tuple[int, ...], found: Layout, wanted: Layout) -> str:
        if found == wanted:
            return name
        return str(self.add("Transpose", name, perm=[found.index(axis) for axis in wanted]))

    def _viewed(self, tensor: Tensor, wanted: Layout) -> str:
        """Return the value in another shape than it is held in."""
        name, shape, layout = self._held[tensor.index][0]
        if not (math.prod(shape[:-1]) == 1 and layout[0] == 0):  # of a single position, every layout is one row
            name = self._turned(name, shape, layout, last(len(shape)))
        name = self.add("Reshape", name, self.whole(0, *tensor.shape))
        return self._turned(name, tensor.shape, last(len(tensor.shape)), wanted)

    def layout(self, tensor: Any, *, channels_last: bool = False) -> Layout:
        """Return a layout in which a tensor is at hand, (N, ...) if in none; optionally one whose last axis is."""
        rank = len(tensor.shape)
        for _, shape, layout in self._held[tensor.index]:
            if shape == tensor.shape and (not channels_last or layout[-1] == rank):
                return layout
        return last(rank)

    def any(self, tensor: Any, *, channels_last: bool = False) -> tuple[str, Layout]:
        """Return a tensor's value in a layout in which it is at hand, and that layout."""
        layout = self.layout(tensor, channels_last=channels_last)
        return self.take(tensor, layout), layout


def by_channel(array: Array, layout: Layout) -> Array:
    """Return one number a channel in the shape that multiplies a value of a layout."""
    behind = len(layout) - 1 - layout.index(len(layout) - 1)
    return array.reshape(-1, *(1,) * behind)
