"""784-128-10 in JAX: 5 epochs of 32 minibatches of 128, Adam, the step jitted."""

import jax
import jax.numpy as jnp
import numpy as np

rng = np.random.default_rng(0)
labels = rng.integers(0, 10, 4096)
X = (rng.random((10, 784))[labels] + rng.normal(0, 0.3, (4096, 784))).astype(np.float32)


def logits(params, x):
    (W1, b1), (W2, b2) = params
    return jax.nn.relu(x @ W1 + b1) @ W2 + b2


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
for n, k in [(784, 128), (128, 10)]:
    params.append((rng.normal(0, n**-0.5, (n, k)).astype(np.float32), np.zeros(k, np.float32)))
m = v = jax.tree.map(np.zeros_like, params)
data = [(jnp.array(X[i : i + 128]), jnp.array(labels[i : i + 128])) for i in range(0, 4096, 128)]
t = 0
for _ in range(5):
    for x, y in data:
        t += 1
        params, m, v = step(params, m, v, float(t), x, y)
print(np.mean(np.argmax(jax.jit(logits)(params, X), axis=1) == labels))
