"""A PyTorch module as a model: the modules of ``torch.nn.Sequential``, one after another, with their weights.

PyTorch's images are (N, channels, height, width), ours (N, height, width, channels). The reader knows at each module in
which of the two orders PyTorch would hold the samples: where PyTorch reads axes in an order of its own (a linear layer
right behind a convolution, say), a ``Permute`` keeps the meaning; where channels-first images are flattened into a
linear layer, its columns are put in our order instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import activations
from fastnn.errors import FastnnError, InvalidTypeError, InvalidValueError
from fastnn.exchange.torch_layers import ENTER, EXIT, FIRST, LAST, READERS, THROUGH
from fastnn.layers import Activation, Layer, Permute
from fastnn.layers.base import sample_shape
from fastnn.layers.convolution import ConvolutionLayer
from fastnn.layers.dense import Dense
from fastnn.optional import load
from fastnn.plan import PlanBuilder
from fastnn.validation import check_finite

if TYPE_CHECKING:
    from fastnn.models import Sequential

Array = np.ndarray[Any, Any]


def from_torch(module: Any, input_shape: Any = None, *, channels_first: bool | None = None, dtype: Any = None,
               name: str = "sequential") -> Sequential:  # fmt: skip
    """Return a model with the layers and weights of a PyTorch module.

    Parameters
    ----------
    module : torch.nn.Module
        A ``Sequential``, also of others, or a single module: Linear, Conv1d, Conv2d, ConvTranspose2d, pooling,
        BatchNorm, LayerNorm, Embedding, RNN, LSTM, GRU (``batch_first=True``; what counts is their first result, the
        outputs of all steps), activations, Dropout, Flatten, Unflatten, padding, Upsample, and what ``to_torch`` makes.
    input_shape : int or tuple of int, optional
        Shape of a sample as fastnn takes it: (features,), (steps, features), (height, width, channels). Only a module
        that starts with ``Linear`` or ``BatchNorm1d`` on plain features can do without.
    channels_first : bool, optional
        Whether the module takes samples (channels, ...) where ours are (..., channels). By default the first module
        that cares decides: a convolution does, a linear or recurrent layer does not, ``Flatten`` does of images.
    dtype : "float32" or "float64", optional
        Of the model; by default float64 if any weight is, else float32.
    name : str

    Returns
    -------
    Sequential
        Built. Takes images and sequences channels last, and gives them so;
        outputs agree with the module's in evaluation mode to rounding.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If a module, or a setting of one, has no match; the message names its place in the module.
    MissingPackageError
        If PyTorch is not installed.

    Notes
    -----
    The two biases of PyTorch's RNN and LSTM become one. ``Softplus`` is PyTorch's up to its threshold, above which
    PyTorch leaves out less than 3e-9.
    """
    from fastnn.models import Sequential

    torch = load("torch", purpose="from_torch")
    if not isinstance(module, torch.nn.Module):
        raise InvalidTypeError(f"from_torch takes a torch.nn.Module, got {type(module).__name__}")
    steps = list(flattened(module))
    shape = sample_shape(input_shape) or _inferred(steps)
    wide = any(value.dtype == torch.float64 for value in module.state_dict().values())
    reader = Reader(shape)
    reader.first = _takes_channels_first(steps, shape) if channels_first is None else bool(channels_first)
    reader.read(steps)
    if not reader.layers:
        raise InvalidValueError("the module has no layers")
    wanted = dtype if dtype is not None else "float64" if wide else "float32"
    model = Sequential(reader.layers, dtype=wanted, name=name)
    model.build(shape)
    plan = model._built_plan()
    views = {**model.weights, **model.statistics}
    parameters = sorted((*plan.parameters, *plan.statistics), key=lambda p: p.place)
    for p, array in zip(parameters, reader.arrays, strict=True):
        views[p.name][...] = array
    return model


def flattened(module: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield modules with their places, those inside ``Sequential`` one by one."""
    kind = type(module).__name__
    inside = list(module.named_children())
    if kind == "Sequential" and type(module).__module__.startswith("torch.nn."):
        for name, child in inside:
            yield from flattened(child, f"{path}.{name}" if path else name)
    elif kind == "ChannelsFirst" and type(module).__module__.startswith("fastnn."):
        yield path, ENTER
        yield from flattened(module.inner, path)
        yield path, EXIT
    else:
        yield path, module


def kind_of(module: Any) -> str:
    """Return the name of a module's class if it is PyTorch's or ours; a subclass may compute anything."""
    if isinstance(module, str):
        return module
    known = type(module).__module__.startswith(("torch.nn.modules.", "fastnn.exchange."))
    return type(module).__name__ if known else ""


def _takes_channels_first(steps: list[tuple[str, Any]], shape: tuple[int, ...]) -> bool:
    """Whether PyTorch holds what comes in with the channels first, by the first module that cares."""
    for _, module in steps:
        kind = kind_of(module)
        if kind in FIRST or (kind == "BatchNorm1d" and len(shape) > 1):
            return True
        if kind in LAST or kind == ENTER:
            return False
        if kind in ("Softmax", "LogSoftmax"):
            return len(shape) > 1 and module.dim in (1, -len(shape))
        if kind == "PReLU" and module.num_parameters > 1:
            return len(shape) > 1
        if kind == "Flatten":
            return len(shape) == 3
    return False


def _inferred(steps: list[tuple[str, Any]]) -> tuple[int, ...]:
    for _, module in steps:
        kind = kind_of(module)
        if kind == "Linear":
            return (int(module.in_features),)
        if kind == "BatchNorm1d":
            return (int(module.num_features),)
        if kind not in THROUGH:
            break
    found = kind_of(steps[0][1]) if steps else "nothing"
    raise InvalidValueError(
        f"from_torch needs input_shape, channels last, for a module that starts with {found}: a sample's (features,), "
        "(steps, features) or (height, width, channels)"
    )


class Reader:
    """What is known while modules are read.

    Attributes
    ----------
    shape : tuple of int
        Of a sample, as ours stands behind the layers so far.
    first : bool
        Whether PyTorch holds that sample with the channels first.
    columns : ndarray or None
        Behind a flattened image, for each feature of ours, the number it has in PyTorch.
    layers : list of Layer
    arrays : list of ndarray
        Their weights, in the order in which the layers make them.
    counts : list of int
        How many each layer has.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.first = False
        self.columns: Array | None = None
        self.layers: list[Layer] = []
        self.arrays: list[Array] = []
        self.counts: list[int] = []
        self.where = ""
        self.rest: list[tuple[str, Any]] = []

    def read(self, steps: list[tuple[str, Any]]) -> None:
        """Append the layers of modules."""
        for number, (path, module) in enumerate(steps):
            kind = kind_of(module)
            self.rest = steps[number + 1 :]
            self.where = f"module {path!r} ({kind or type(module).__name__})" if path else f"the module ({kind})"
            if kind == ENTER:
                self.to_last()
                self.first = True
            elif kind == EXIT:
                self.first = False
            elif kind in READERS:
                READERS[kind](self, module)
            else:
                raise InvalidTypeError(
                    f"module {path!r} is a {type(module).__name__}; from_torch reads Sequential and "
                    f"{', '.join(sorted(READERS))}"
                )

    def fail(self, message: str) -> InvalidValueError:
        """Return the error of a setting that has no match here."""
        return InvalidValueError(f"{self.where}: {message}")

    def array(self, tensor: Any) -> Array:
        """Return a tensor's numbers in float64."""
        array = np.asarray(tensor.detach().cpu().double().numpy())
        check_finite(self.where, np.atleast_1d(array))
        return array

    def add(self, layer: Layer, *arrays: Array | None) -> None:
        """Append a layer with its weights; those given as None are left out.

        Raises
        ------
        InvalidValueError
            If the layer does not take such samples, or the weights do not fit; it names the module.
        """
        builder = PlanBuilder(self.shape)
        try:
            after = layer.build(builder, builder.inputs).shape
        except FastnnError as error:
            raise self.fail(str(error)) from None
        given = [array for array in arrays if array is not None]
        wanted = [p.shape for p in sorted((*builder.parameters, *builder.statistics), key=lambda p: p.place)]
        if [array.shape for array in given] != wanted:
            raise self.fail(
                f"samples of shape {self.shape} want weights of shapes {wanted}, got {[a.shape for a in given]}"
            )
        self.layers.append(layer)
        self.arrays += given
        self.counts.append(len(given))
        self.shape = after

    def activate(self, name: str) -> None:
        """Append an activation, or make it that of the layer before."""
        before = self.layers[-1] if self.layers else None
        if isinstance(before, Dense | ConvolutionLayer) and before.activation.name == "linear":
            before.activation = activations.get(name)
        else:
            self.add(Activation(name))

    def to_first(self) -> None:
        """Make PyTorch's second axis our last one."""
        rank = len(self.shape)
        if not self.first and rank > 1:
            self.add(Permute((*range(2, rank + 1), 1)))
        self.first = rank > 1

    def to_last(self) -> None:
        """Make our axes PyTorch's."""
        rank = len(self.shape)
        if self.first and rank > 1:
            self.add(Permute((rank, *range(1, rank))))
        self.first = False
