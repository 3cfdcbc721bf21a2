"""LeNet-5 in JAX: 10 epochs of 8 minibatches of 128, Adam, the step jitted."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

rng = np.random.default_rng(0)
labels = rng.integers(0, 10, 1024)
X = (rng.random((10, 28, 28, 1))[labels] + rng.normal(0, 0.1, (1024, 28, 28, 1))).astype(np.float32)


def convolution(x, W, b, padding):
    z = lax.conv_general_dilated(x, W, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    pooled = lax.reduce_window(jax.nn.relu(z + b), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return pooled


def logits(params, x):
    x = convolution(x, *params[0], "SAME")
    x = convolution(x, *params[1], "VALID").reshape(len(x), -1)
    for W, b in params[2:-1]:
        x = jax.nn.relu(x @ W + b)
    return x @ params[-1][0] + params[-1][1]


def loss(params, x, y):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits(params, x)), y[:, None], 1))


@jax.jit
def step(params, m, v, t, x, y):
    grads = jax.grad(loss)(params, x, y)
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)
    rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return jax.tree.map(lambda p, a, c: p - rate * a / (jnp.sqrt(c) + 1e-8), params, m, v), m, v


params = []
for shape in [(5, 5, 1, 6), (5, 5, 6, 16), (400, 120), (120, 84), (84, 10)]:
    scale = np.prod(shape[:-1]) ** -0.5
    params.append((rng.normal(0, scale, shape).astype(np.float32), np.zeros(shape[-1], np.float32)))
m = v = jax.tree.map(np.zeros_like, params)
data = [(jnp.array(X[i : i + 128]), jnp.array(labels[i : i + 128])) for i in range(0, 1024, 128)]
t = 0
for _ in range(10):
    for x, y in data:
        t += 1
        params, m, v = step(params, m, v, float(t), x, y)
print(np.mean(np.argmax(jax.jit(logits)(params, X), axis=1) == labels))
