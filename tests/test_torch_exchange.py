"""PyTorch modules read as models and models written as PyTorch modules: the outputs agree in float64."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exchange_cases import CASES, random_model, samples

from fastnn import Sequential, activations
from fastnn import layers as L
from fastnn.errors import InvalidTypeError, InvalidValueError, MissingPackageError, NotBuiltError
from fastnn.exchange import from_torch, to_torch
from fastnn.exchange.torch_layers import READERS
from fastnn.exchange.torch_write_layers import WRITERS

torch = pytest.importorskip("torch")
nn = torch.nn

CANNOT = {"masking": "PyTorch has no masks, only packed sequences"}
"""Layers that PyTorch cannot say, and why."""

TOLERANCE = 1e-10
"""Largest error, as a share of the largest output."""


def close(got: Any, want: Any) -> None:
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= TOLERANCE * max(1e-300, np.abs(want).max())


def randomized(module: Any) -> Any:
    """Return a module in float64 and evaluation mode, with random weights and statistics."""
    generator = torch.Generator().manual_seed(3)
    module = module.double().eval()
    with torch.no_grad():
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            if value.dtype == torch.float64:
                drawn = torch.randn(value.shape, generator=generator, dtype=torch.float64) * 0.5
                value.copy_(drawn.abs() + 0.2 if "running_var" in name else drawn)
    return module


def computed(module: Any, x: Any) -> Any:
    """Return what modules one after another make of a sample; a recurrent one, its first result."""
    with torch.no_grad():
        for part in module if type(module) is nn.Sequential else [module]:
            x = part(x) if type(part) is not nn.Sequential else torch.from_numpy(computed(part, x))
            x = x[0] if isinstance(x, tuple) else x
    return x.numpy()


def check(module: Any, shape: tuple[int, ...], *, first: bool = False, first_out: bool = False) -> Any:
    """Assert that a model read from a module computes the same; return it.

    ``first`` and ``first_out`` say whether PyTorch has the channels first in what goes in and what comes out.
    """
    module = randomized(module)
    model = from_torch(module, shape, dtype="float64")
    x = np.random.default_rng(1).standard_normal((3, *shape))
    if isinstance(model.layers[0], L.Embedding):
        x = np.random.default_rng(1).integers(0, model.layers[0].input_dim, (3, *shape))
    want = computed(module, torch.from_numpy(np.moveaxis(x, -1, 1).copy() if first else x))
    close(model.predict(x), np.moveaxis(want, 1, -1) if first_out else want)
    return model


FLAT = [
    *("ReLU", "Sigmoid", "Tanh", "Softsign", "SELU", "Hardsigmoid", "Mish", "SiLU", "GELU", "Softplus", "Identity"),
    *("Dropout", "ELU", "LeakyReLU", "PReLU"),
]


@pytest.mark.parametrize("name", FLAT)
def test_elementwise_modules(name):
    check(nn.Sequential(nn.Linear(5, 4), getattr(nn, name)(), nn.Linear(4, 3, bias=False)), (5,))
    check(nn.Sequential(getattr(nn, name)(), nn.Flatten(), nn.Tanh()), (5,))
    check(nn.Sequential(nn.Conv2d(2, 3, 2), getattr(nn, name)(), nn.Flatten(), getattr(nn, name)(), nn.Linear(18, 2)),
          (4, 3, 2), first=True)  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, 0.1, 0.3), nn.LayerNorm(4), nn.Softmax(1)),
        lambda: nn.Sequential(nn.BatchNorm1d(5, affine=False), nn.LayerNorm(5, elementwise_affine=False)),
        lambda: nn.Sequential(nn.Sequential(nn.PReLU(5), nn.Linear(5, 4)), nn.Sequential(nn.LogSoftmax(-1))),
        lambda: nn.Sequential(nn.LayerNorm(5, bias=False), nn.Unflatten(1, (5, 1)), nn.Conv1d(5, 2, 1), nn.Flatten()),
        lambda: nn.Sequential(nn.Linear(5, 24), nn.Unflatten(1, (2, 3, 4)), nn.Conv2d(2, 3, 2), nn.Flatten()),
        lambda: nn.Sequential(nn.Linear(5, 24), nn.Unflatten(-1, (2, 3, 4)), nn.Flatten(2), nn.Linear(12, 2)),
    ],
)  # fmt: skip
def test_flat_modules(make):
    check(make(), (5,))


IMAGES: dict[str, Callable[[], Any]] = {
    "valid": lambda: nn.Conv2d(3, 4, (3, 2)),
    "strides": lambda: nn.Conv2d(3, 4, 3, stride=(2, 3), padding=(1, 2), bias=False),
    "same": lambda: nn.Conv2d(3, 4, (2, 3), padding="same"),
    "even padding": lambda: nn.Conv2d(3, 4, 3, padding=1),
    "dilation": lambda: nn.Conv2d(3, 6, 3, dilation=2, groups=3, padding=2),
    "transposed": lambda: nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1),
    "transposed groups": lambda: nn.ConvTranspose2d(3, 6, (3, 4), stride=(1, 3), groups=3, bias=False),
    "batch norm": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, affine=False)),
    "max": lambda: nn.MaxPool2d(2),
    "max overlapping": lambda: nn.MaxPool2d((3, 2), stride=(2, 1)),
    "max same": lambda: nn.MaxPool2d(3, stride=1, padding=1),
    "max ceil": lambda: nn.MaxPool2d(2, ceil_mode=True),
    "average": lambda: nn.AvgPool2d((2, 3)),
    "average padding": lambda: nn.AvgPool2d(3, stride=2, padding=1),
    "average same": lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
    "average ceil": lambda: nn.AvgPool2d(2, ceil_mode=True),
    "adaptive": lambda: nn.Sequential(nn.AdaptiveAvgPool2d((None, 2)), nn.AdaptiveMaxPool2d(1)),
    "zeros": lambda: nn.ZeroPad2d((1, 2, 0, 3)),
    "crop": lambda: nn.ZeroPad2d((1, -2, -1, 0)),
    "upsample": lambda: nn.Upsample(scale_factor=(2, 3)),
    "upsample to": lambda: nn.Upsample(size=(14, 12)),
    "prelu": lambda: nn.Sequential(nn.PReLU(3), nn.PReLU(), nn.Dropout2d(0.3)),
    "softmax": lambda: nn.Softmax(1),
    "softmax from the end": lambda: nn.LogSoftmax(-3),
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # an even kernel's, which PyTorch pads by a copy
@pytest.mark.parametrize("name", IMAGES)
def test_images(name):
    check(IMAGES[name](), (7, 6, 3), first=True, first_out=True)


SEQUENCES: dict[str, Callable[[], Any]] = {
    "valid": lambda: nn.Conv1d(3, 4, 3, stride=2),
    "padding": lambda: nn.Conv1d(3, 4, 4, padding=2, dilation=2),
    "pooling": lambda: nn.Sequential(nn.MaxPool1d(2, 1), nn.AvgPool1d(2)),
    "adaptive": lambda: nn.Sequential(nn.AdaptiveMaxPool1d(4), nn.AdaptiveAvgPool1d(1)),
    "others": lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Dropout1d(0.1), nn.ZeroPad1d((2, 1)), nn.Upsample(22)),
}  # fmt: skip


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name):
    check(SEQUENCES[name](), (8, 3), first=True, first_out=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Conv2d(3, 2, 2), nn.Flatten(), nn.BatchNorm1d(60), nn.PReLU(60), nn.Linear(60, 4)),
        lambda: nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(126, 4), nn.ReLU(), nn.Linear(4, 2)),
        lambda: nn.Sequential(nn.MaxPool2d(2), nn.Flatten()),
        lambda: nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.LayerNorm(27), nn.Linear(27, 2)),
        lambda: nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Softmax(-1)),
        lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)),
        lambda: nn.Sequential(nn.Conv2d(3, 1, 2), nn.Flatten(), nn.Linear(30, 2)),
        lambda: nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Unflatten(1, (9, 3)), nn.Conv1d(9, 2, 1), nn.Flatten()),
        lambda: nn.Sequential(nn.MaxPool2d(2), nn.Flatten(2), nn.LSTM(9, 4, batch_first=True), nn.Flatten()),
        lambda: nn.Sequential(nn.Conv2d(3, 2, 2), nn.Linear(5, 4), nn.Flatten(1, 2), nn.Flatten()),
    ],
)
def test_flattened_images_keep_their_meaning(make):
    check(make(), (7, 6, 3), first=True)


def test_a_flattened_image_costs_no_permute():
    model = check(nn.Sequential(nn.Conv2d(3, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(60, 4)), (7, 6, 3), first=True)
    assert [type(layer).__name__ for layer in model.layers] == ["Conv2D", "Flatten", "Dense"]
    assert model.layers[0].activation.name == "relu"


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_modules(kind):
    make = getattr(nn, kind)
    for settings in ({}, {"num_layers": 2, "dropout": 0.2}, {"bidirectional": True, "num_layers": 2}, {"bias": False}):
        check(make(3, 4, batch_first=True, **settings), (5, 3))
    module = nn.Sequential(
        nn.Embedding(9, 3), make(3, 4, batch_first=True), nn.LayerNorm(4), nn.Flatten(), nn.Linear(20, 2)
    )
    check(module, (5,))
    check(nn.RNN(3, 4, nonlinearity="relu", batch_first=True), (5, 3))
    mixed = nn.Sequential(make(3, 4, batch_first=True), nn.BatchNorm1d(5), nn.Conv1d(5, 2, 2))
    check(mixed, (5, 3), first_out=True)


def test_the_shape_is_known_where_it_can_be():
    assert from_torch(nn.Sequential(nn.Dropout(), nn.Linear(5, 2))).predict(np.ones((1, 5))).shape == (1, 2)
    assert from_torch(nn.BatchNorm1d(5)).built
    with pytest.raises(InvalidValueError, match=r"from_torch needs input_shape, channels last, .* starts with Conv2d"):
        from_torch(nn.Conv2d(3, 2, 2))


def test_the_order_of_axes_may_be_said():
    module, x = randomized(nn.Sequential(nn.Flatten(), nn.Linear(12, 2))), np.random.default_rng(1).random((3, 2, 3, 2))
    for first in (False, True):
        want = computed(module, torch.from_numpy(np.moveaxis(x, -1, 1).copy() if first else x))
        close(from_torch(module, (2, 3, 2), channels_first=first).predict(x), want)


def test_dtype_and_name():
    assert from_torch(nn.Linear(3, 2)).dtype == np.float32
    assert from_torch(nn.Linear(3, 2).half()).dtype == np.float32
    model = from_torch(nn.Linear(3, 2).double(), name="read")
    assert (model.dtype, model.name) == (np.float64, "read")


class Own(nn.Linear):  # type: ignore[misc, name-defined]
    pass


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(3, 2), nn.Hardswish()), None, "module '1' is a Hardswish; from_torch reads"),
        (lambda: nn.Sequential(Own(3, 2)), (3,), "module '0' is a Own; from_torch reads Sequential and"),
        (lambda: nn.Sequential(nn.Sequential(nn.Conv2d(3, 2, 9))), (4, 4, 3), "module '0.0' (Conv2d): Conv2D of"),
        (lambda: nn.Linear(3, 2), (4,), "the module (Linear): samples of shape (4,) want weights of shapes [(2, 4)"),
        (lambda: nn.Conv2d(3, 2, 1, padding=1, padding_mode="reflect"), (4, 4, 3), "padding_mode must be 'zeros'"),
        (lambda: nn.Conv2d(3, 2, 2, stride=2, dilation=2), (4, 4, 3), "takes strides > 1 or dilation_rate > 1"),
        (lambda: nn.MaxPool2d(3, 2, 1), (8, 8, 3), "padding (1, 1) and ceil_mode False over samples"),
        (lambda: nn.AvgPool2d(3, 1, 1, ceil_mode=True), (8, 8, 3), "is neither 'valid' nor 'same' here"),
        (lambda: nn.MaxPool2d(2, dilation=2), (8, 8, 3), "dilation and return_indices have no match"),
        (lambda: nn.AvgPool2d(2, divisor_override=3), (8, 8, 3), "divisor_override has no match"),
        (lambda: nn.AdaptiveAvgPool2d(3), (8, 8, 3), "output_size (3, 3) must divide the cells"),
        (lambda: nn.Upsample(scale_factor=1.5), (8, 3), "scale factors must be whole numbers, got (1.5,)"),
        (lambda: nn.Upsample(scale_factor=2, mode="linear"), (8, 3), "mode must be 'nearest', got 'linear'"),
        (lambda: nn.LSTM(3, 2), (8, 3), "make the module with batch_first=True"),
        (lambda: nn.LSTM(3, 4, proj_size=2, batch_first=True), (8, 3), "proj_size has no match"),
        (lambda: nn.BatchNorm1d(3, track_running_stats=False), (3,), "track_running_stats=False has no match"),
        (lambda: nn.BatchNorm1d(3, momentum=None), (3,), "momentum=None, a cumulative average, has no match"),
        (lambda: nn.LayerNorm((4, 3)), (4, 3), "over the last axis alone, got normalized_shape (4, 3)"),
        (lambda: nn.Softmax(2), (4, 4, 3), "softmax here is over the channels, dim -1 of this sample, got 2"),
        (lambda: nn.GELU(approximate="tanh"), (3,), "gelu here is exact, got approximate 'tanh'"),
        (lambda: nn.Softplus(2), (3,), "softplus here has beta 1, got 2"),
        (lambda: nn.Embedding(3, 2, max_norm=1.0), (3,), "max_norm has no match"),
        (lambda: nn.Sequential(nn.ReLU(), nn.Embedding(3, 2)), (3,), "Embedding must be the first module"),
        (lambda: nn.Flatten(0), (3, 2), "axis 0 are the samples"),
        (lambda: nn.Sequential(), (3,), "the module has no layers"),
    ],
)  # fmt: skip
def test_what_has_no_match_is_named(make, shape, message):
    with pytest.raises((InvalidTypeError, InvalidValueError), match=re.escape(message)):
        from_torch(make(), shape)


def test_weights_that_are_no_numbers_are_refused():
    module = nn.Linear(3, 2)
    with torch.no_grad():
        module.weight[1, 2] = float("nan")
    with pytest.raises(InvalidValueError, match=re.escape("the module (Linear) holds nan at row 1, column 2")):
        from_torch(module)
    with pytest.raises(InvalidTypeError, match=r"from_torch takes a torch\.nn\.Module, got list"):
        from_torch([nn.Linear(3, 2)])


# --- to PyTorch -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CASES)
def test_every_layer_goes_there_and_back(kind):
    written = 0
    for make, shape in CASES[kind]:
        model = random_model(make, shape, "float64")
        x = samples(model, shape)
        want = model.predict(x)
        try:
            module = to_torch(model)
        except InvalidValueError as error:
            assert re.search("has activation|no masks|no such layer", str(error))
            continue
        written += 1
        with torch.no_grad():
            close(module(torch.from_numpy(x)).numpy(), want)
        again = from_torch(module, shape, channels_first=False, dtype="float64")
        close(again.predict(x), want)
    assert written or kind in CANNOT


def test_no_layer_is_left_out():
    assert WRITERS.keys() | {"add", "residual", "concatenate"} | CANNOT.keys() == set(L.LAYERS)
    assert not WRITERS.keys() & CANNOT.keys()


def test_every_module_is_met(monkeypatch):
    met = set()
    for kind, read in list(READERS.items()):
        monkeypatch.setitem(READERS, kind, lambda r, m, kind=kind, read=read: (met.add(kind), read(r, m)))
    for name in FLAT:
        test_elementwise_modules(name)
    for name in IMAGES:
        test_images(name)
    for name in SEQUENCES:
        test_sequences(name)
    for kind in CASES:
        test_every_layer_goes_there_and_back(kind)
    for core in ("RNN", "LSTM", "GRU"):
        test_recurrent_modules(core)
    model = random_model(lambda: [L.Activation("exponential")], (3,), "float64")
    from_torch(to_torch(model), (3,))
    assert met == READERS.keys()


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_every_activation_goes_there_and_back(name):
    model = random_model(lambda: [L.Dense(6, activation=name), L.Activation(name)], (4,), "float64")
    x = np.random.default_rng(2).standard_normal((9, 4))
    module = to_torch(model)
    with torch.no_grad():
        close(module(torch.from_numpy(x)).numpy(), model.predict(x))
    close(from_torch(module, 4).predict(x), model.predict(x))


def test_softplus_has_no_threshold():
    model = random_model(lambda: [L.Activation("softplus")], (3,), "float64")
    x = np.array([[19.5, 20.5, 25.0]])
    np.testing.assert_allclose(to_torch(model)(torch.from_numpy(x)).numpy(), model.predict(x), rtol=1e-14)


def test_settings_of_training_go_along():
    model = random_model(lambda: [L.Dense(3), L.BatchNormalization(momentum=0.9), L.Dropout(0.2)], (4,), "float64")
    module = to_torch(model)
    assert (module[1].momentum, module[2].p) == (pytest.approx(0.1), 0.2)
    again = from_torch(module)
    assert (again.layers[1].momentum, again.layers[2].rate) == (pytest.approx(0.9), 0.2)


def test_the_module_trains_and_is_copied():
    layers = [L.Conv2D(3, 2, activation="relu"), L.BatchNormalization(), L.Flatten(), L.Dense(2)]
    model = random_model(lambda: layers, (5, 4, 2), "float32")
    module = copy.deepcopy(to_torch(model)).train()
    x = torch.from_numpy(samples(model, (5, 4, 2)))
    assert module(x).dtype == torch.float32
    module(x).square().sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    before = model.parameters.copy()
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
    assert np.array_equal(model.parameters, before)  # a copy, no view


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: [L.Masking(), L.LSTM(2)], (4, 3), "layer 1 (Masking): PyTorch has no such layer; what can"),
        (lambda: [L.Embedding(4, 3, mask_zero=True)], (4,), "layer 1 (Embedding): PyTorch has no masks"),
        (lambda: [L.Dense(2), L.LSTM(2, "relu")], (4, 3), "layer 2 (LSTM): PyTorch's LSTM has activation tanh"),
        (lambda: [L.GRU(2, recurrent_activation="hard_sigmoid")], (4, 3), "PyTorch's recurrent activation is sigmoid"),
        (lambda: [L.LSTM(2, stateful=True)], (4, 3), "layer 1 (LSTM): stateful cannot be said by"),
        (lambda: [L.LSTM(2, recurrent_dropout=0.1)], (4, 3), "layer 1 (LSTM): recurrent_dropout cannot be said by"),
        (lambda: [L.LSTM(2, return_state=True)], (4, 3), "layer 1 (LSTM): return_state cannot be said by"),
        (lambda: [L.Dense(2, lambda z: z * z)], (3,), "layer 1 (Dense): PyTorch has no activation '<lambda>'"),
        (lambda: [L.Bidirectional(L.LSTM(2, dropout=0.1))], (4, 3), "no dropout of the inputs of each direction"),
        (lambda: [L.Reshape((2, 2, 2, 2)), L.BatchNormalization()], (16,), "BatchNorm takes samples of 1 to 3 axes"),
    ],
)  # fmt: skip
def test_what_pytorch_cannot_say_is_named(make, shape, message):
    model = Sequential(make(), backend="numpy")
    model.build(shape)
    with pytest.raises(InvalidValueError, match=re.escape(message)):
        to_torch(model)


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(NotBuiltError):
        to_torch(Sequential([L.Dense(2)]))
    monkeypatch.setattr("fastnn.optional.installed", lambda package: package != "torch")
    model = random_model(lambda: [L.Dense(2)], (3,), "float32")
    for call in (lambda: to_torch(model), lambda: from_torch(nn.Linear(3, 2))):
        with pytest.raises(MissingPackageError, match=re.escape("pip install 'fastnn[torch]'")):
            call()
