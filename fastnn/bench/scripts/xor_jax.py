"""XOR in JAX: 1000 jitted steps of gradient descent."""

import jax
import jax.numpy as jnp
import numpy as np

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Y = np.array([[0], [1], [1], [0]], np.float32)


def logits(params, x):
    (W1, b1), (W2, b2) = params
    return jnp.tanh(x @ W1 + b1) @ W2 + b2


def loss(params, x, y):
    z = logits(params, x)
    return jnp.mean(jax.nn.softplus(z) - y * z)


@jax.jit
def step(params, x, y):
    return jax.tree.map(lambda p, g: p - 1.0 * g, params, jax.grad(loss)(params, x, y))


rng = np.random.default_rng(0)
params = [(rng.normal(0, n**-0.5, (n, m)).astype(np.float32), np.zeros(m, np.float32)) for n, m in [(2, 4), (4, 1)]]
x, y = jnp.array(X), jnp.array(Y)
for _ in range(1000):
    params = step(params, x, y)
print(np.mean((np.asarray(logits(params, x)) > 0.0) == Y))
