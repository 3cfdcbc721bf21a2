"""JAX's operations for a row's network: images (height, width, channels), cells written by hand in a ``lax.scan``.

As its users write them: a convolution is ``lax.conv_general_dilated``, and the products of all steps' inputs are taken
at once, before the scan through the steps.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from fastnn.bench import networks

ACTIVATIONS: dict[str, Any] = {
    "linear": lambda z: z, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu,
}  # fmt: skip


def logits(network: networks.Network, params: Any, x: Any) -> Any:
    """Return the network's output before its last activation."""
    for layer, arrays in network.with_arrays(params):
        if isinstance(layer, networks.Dense):
            x = x @ arrays[0] + arrays[1]
        elif isinstance(layer, networks.Conv2D):
            x = convolution(x, arrays[0], arrays[1], layer.padding)
        elif isinstance(layer, networks.MaxPool2D):
            size = (1, layer.size, layer.size, 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, size, size, "VALID")
        elif isinstance(layer, networks.GlobalAverage2D):
            x = jnp.mean(x, axis=(1, 2))
        elif isinstance(layer, networks.Recurrent):
            x = CELLS[layer.cell](x, *arrays)
        else:
            x = x.reshape(len(x), -1)
        if layer is not network.layers[-1]:
            x = ACTIVATIONS[getattr(layer, "activation", "linear")](x)
    return x


def convolution(x: Any, W: Any, b: Any, padding: str) -> Any:
    """Return a convolution of stride 1."""
    return lax.conv_general_dilated(x, W, (1, 1), padding.upper(), dimension_numbers=("NHWC", "HWIO", "NHWC")) + b


def _steps(x: Any, W: Any, b: Any) -> Any:
    """Return the inputs' products, steps first, for ``lax.scan``."""
    return jnp.swapaxes(x @ W + b, 0, 1)


def simple_rnn(x: Any, W: Any, U: Any, b: Any) -> Any:
    """Return the last state."""
    h = jnp.zeros((len(x), len(U)), x.dtype)
    return lax.scan(lambda h, z: (jnp.tanh(z + h @ U), None), h, _steps(x, W, b))[0]


def lstm(x: Any, W: Any, U: Any, b: Any) -> Any:
    """Return the last output; gates i, f, c, o."""

    def step(state: Any, z: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(z + h @ U, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    start = jnp.zeros((len(x), len(U)), x.dtype)
    return lax.scan(step, (start, start), _steps(x, W, b))[0][0]


def gru(x: Any, W: Any, U: Any, b: Any, bU: Any) -> Any:
    """Return the last state; gates z, r, h, the reset gate after the product."""

    def step(h: Any, inputs: Any) -> Any:
        (z, r, n), (hz, hr, hn) = jnp.split(inputs, 3, axis=1), jnp.split(h @ U + bU, 3, axis=1)
        z = jax.nn.sigmoid(z + hz)
        return z * h + (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn), None

    return lax.scan(step, jnp.zeros((len(x), len(U)), x.dtype), _steps(x, W, b))[0]


CELLS: dict[str, Any] = {"simple_rnn": simple_rnn, "lstm": lstm, "gru": gru}
