"""What a layer says of settings and shapes that it cannot take: its name, what it got, what it wants."""

from __future__ import annotations

import numpy as np
import pytest

from fastnn import layers
from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError
from fastnn.models import Sequential

L = layers
SETTINGS = {
    "Conv2D: strides must be at least 1, got 0": lambda: L.Conv2D(3, 3, strides=(1, 0)),
    "Conv1D: strides must be at least 1, got -1": lambda: L.Conv1D(3, 3, strides=-1),
    "MaxPooling2D: strides must be at least 1, got 0": lambda: L.MaxPooling2D(2, 0),
    "Conv2DTranspose: strides must be at least 1, got 0": lambda: L.Conv2DTranspose(3, 3, strides=0),
    "Conv2D: kernel_size must hold 2 whole numbers": lambda: L.Conv2D(3, (3, 3, 3)),
    "Conv2D: padding must be one of 'valid', 'same', got 'full'": lambda: L.Conv2D(3, 3, padding="full"),
    r"Conv2D: filters \(3\) must be divisible by groups \(2\)": lambda: L.Conv2D(3, 3, groups=2),
    "LSTM: units must be at least 1, got 0": lambda: L.LSTM(0),
    r"GRU: rate must be in \[0, 1\), got 1.5": lambda: L.GRU(3, dropout=1.5),
    r"Dropout: rate must be in \[0, 1\), got 1.0": lambda: L.Dropout(1.0),
    "GaussianNoise: stddev must be at least 0": lambda: L.GaussianNoise(-1),
    "Embedding: input_dim must be at least 1": lambda: L.Embedding(0, 3),
    "Permute: dims must hold": lambda: L.Permute((1, 3)),
    "Concatenate: axis 0 are the samples": lambda: L.Concatenate([[], []], axis=0),
    r"Flatten: input_shape must be at least 1 along every axis, got \(0, 4\)": lambda: L.Flatten((0, 4)),
}
SHAPES = {
    r"Conv2D .* at least \(7, 7\) cells .*, got shape \(6, 6, 1\)": (L.Conv2D(3, 3, dilation_rate=3), (6, 6, 1)),
    r"Conv2D: the channels of samples of shape \(5, 5, 3\)": (L.Conv2D(4, 3, groups=2), (5, 5, 3)),
    r"Conv1D takes samples of shape \(steps, channels\), got \(5, 5, 1\)": (L.Conv1D(3, 3), (5, 5, 1)),
    r"AveragePooling1D .* at least \(5,\) cells .*, got shape \(4, 1\)": (L.AveragePooling1D(5), (4, 1)),
    r"GlobalAveragePooling2D takes samples of shape \(height, width, channels\), got \(5, 3\)": (
        L.GlobalAveragePooling2D(),
        (5, 3),
    ),
    r"GRU takes samples of shape \(steps, features\), got \(5,\)": (L.Bidirectional(L.GRU(3)), (5,)),
    r"input_shape must be at least 1 along every axis, got \(0, 4\)": (L.LSTM(3), (0, 4)),
}


@pytest.mark.parametrize("message", SETTINGS)
def test_settings(message):
    with pytest.raises(InvalidValueError, match=message):
        SETTINGS[message]()


@pytest.mark.parametrize("message", SHAPES)
def test_shapes(message):
    layer, shape = SHAPES[message]
    model = Sequential([layer], backend="numpy")
    with pytest.raises(InvalidValueError, match=message):
        model.build(shape)
    assert not model.built


def test_types_and_names_keep_their_errors():
    with pytest.raises(InvalidTypeError, match="LSTM: units must be a whole number, got 'a'"):
        L.LSTM("a")
    with pytest.raises(UnknownNameError, match="Dense: no activation 'rellu'; did you mean 'relu'"):
        L.Dense(3, "rellu")
    with pytest.raises(InvalidValueError, match=r"^Conv2D: filters"):  # not twice
        L.Conv2D(3, 3, groups=2)


def test_sequences_without_steps():
    model = Sequential([L.SimpleRNN(3)], backend="numpy")
    model.compile("sgd", "mse")
    message = r"x must have at least one value along every axis of a sample, got shape \(2, 0, 4\)"
    with pytest.raises(InvalidValueError, match=message):
        model.fit(np.zeros((2, 0, 4)), np.zeros((2, 3)), verbose=0)
    assert not model.built


def test_an_activation_may_be_first():
    model = Sequential([L.Activation("tanh", input_shape=(3,))], backend="numpy")
    assert model.predict(np.zeros((2, 3))).shape == (2, 3)
