"""Recurrent layers: what goes on from step to step. The inputs' products, ``b + W x`` of every step, come as Z.

Shapes: Z (T * G * M, N): T steps, G gates of M units, N samples; recurrent weights W (G * M, M); P, the state that each
step reads, Y (T * M, N) or, where only the last step is put out, (M, N). Optional: D (M, N), factors of the state where
it enters a step's products (dropout); K (T, N), 0 for the steps that are to be passed over, which hand the state on; I
(M, N), the first state, zeros without; the LSTM's is (2 * M, N), the state and the cell's. The last one is returned.

``visits`` names the steps in the order of time: pairs of a step's place in Z and its place in Y. Y's place is 0 for all
of them where only the last is put out. Gates are stored as i, f, c, o (``LSTM``) and z, r, h
(``GRU``).

Order of sums: a gate's pre-activation continues the sum that came as Z, ``z = Z; for k: z = z + W[i, k] * P[k]``; the
gradient that flows back to a state starts from +0, ``for i: d = d + W[i, k] * dz[i]`` over all gates' rows, is then
multiplied by D, then what reached the state past the products is added, then the gradient of its output.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.activations import Activation
from fastnn.backends.numpy_backend.activation import activation_backward, activation_forward
from fastnn.backends.numpy_backend.noise import dropout_forward

Array = np.ndarray[Any, Any]
Visits = tuple[tuple[int, int], ...]


def add_products(z: Array, W: Array, h: Array) -> Array:
    """Return ``z + W h``: products added in ascending order of the unit."""
    z = z.copy()
    for k in range(W.shape[1]):
        z += W[:, k, None] * h[k]
    return z


def products_back(W: Array, dz: Array) -> Array:
    """Return ``W^T dz``: from +0, products added in ascending order of the gates' rows."""
    dh = np.zeros((W.shape[1], dz.shape[1]), dz.dtype)
    for i in range(len(W)):
        dh += W[i, :, None] * dz[i]
    return dh


def dropped(h: Array, D: Array | None) -> Array:
    """Return a state as it enters the products."""
    return h if D is None else h * D


def kept(K: Array | None, t: int, new: Any, old: Any) -> Any:
    """Return the new value, or the old one for samples that pass over step t."""
    return new if K is None else np.where(K[t] != 0, new, old)


def _last(I: Array | None, *states: Array) -> tuple[Array, ...]:
    """Return what takes the place of I, if there is one."""
    return () if I is None else (np.concatenate(states),)


def output_steps(visits: Visits) -> int:
    """Return how many steps are put out: all of them, or one."""
    return 1 + max(out for _, out in visits)


def add_output(dh: Array, dY: Array, visits: Visits, s: int) -> Array:
    """Return the gradient by the state after visit s: what came back, then, if the state is put out, its output's."""
    steps = output_steps(visits)
    if steps < len(visits) - s:
        return dh
    return dh + dY.reshape(steps, *dh.shape)[visits[s][1]]  # type: ignore[no-any-return]


@np.errstate(all="ignore")
def simple_rnn_forward(f: Activation, visits: Visits, W: Array, Z: Array, D: Array | None,
                       K: Array | None, I: Array | None = None) -> tuple[Array, ...]:  # fmt: skip
    """Return Y and what the gradient needs: ``h = f(Z + W P)``.

    Returns
    -------
    Y : ndarray (T * M, N) or (M, N)
    Z, G : ndarray (T * M, N)
        Pre-activations and ``f`` of them.
    P, H : ndarray (T * M, N)
        The state before each step, with and without D.
    """
    T, M, N = len(visits), W.shape[1], Z.shape[1]
    Z = Z.reshape(T, M, N).copy()
    G, P, H, Y = (np.zeros((n, M, N), Z.dtype) for n in (T, T, T, output_steps(visits)))
    h = np.zeros((M, N), Z.dtype) if I is None else I
    for t, out in visits:
        H[t], P[t] = h, dropped(h, D)
        Z[t] = add_products(Z[t], W, P[t])
        G[t] = activation_forward(f, Z[t])
        h = kept(K, t, G[t], h)
        Y[out] = h
    return tuple(x.reshape(-1, N) for x in (Y, Z, G, P, H, *_last(I, h)))


@np.errstate(all="ignore")
def simple_rnn_backward(f: Activation, visits: Visits, W: Array, Z: Array, G: Array, dY: Array, D: Array | None,
                        K: Array | None) -> Array:  # fmt: skip
    """Return dZ (T * M, N): each step's ``dh f'``, the last step's first."""
    T, M, N = len(visits), W.shape[1], Z.shape[1]
    Z, G, dZ = Z.reshape(T, M, N), G.reshape(T, M, N), np.empty((T, M, N), Z.dtype)
    dh, zero = np.zeros((M, N), Z.dtype), Z.dtype.type(0)
    for s, (t, _) in reversed(list(enumerate(visits))):
        dh = add_output(dh, dY, visits, s)
        dZ[t] = kept(K, t, activation_backward(f, Z[t], G[t], dh), zero)
        back = dropped(products_back(W, dZ[t]), D)
        dh = back if K is None else back + kept(K, t, zero, dh)
    return dZ.reshape(-1, N)


@np.errstate(all="ignore")
def lstm_forward(f: Activation, r: Activation, visits: Visits, W: Array, Z: Array, D: Array | None,
                 K: Array | None, I: Array | None = None) -> tuple[Array, ...]:  # fmt: skip
    """Return Y and what the gradient needs: ``c = F c + I G; h = O f(c)`` with gates I, F, O = r(z), G = f(z).

    Returns
    -------
    Y : ndarray (T * M, N) or (M, N)
    Z, G : ndarray (T * 4 * M, N)
        Pre-activations of the gates i, f, c, o, and the activations of them.
    P, H : ndarray (T * M, N)
        The state before each step, with and without D.
    C : ndarray ((T + 1) * M, N)
        Cell states in the order of time: before the first visit, after each.
    F : ndarray (T * M, N)
        ``f(c)`` in the order of time.
    """
    T, M, N = len(visits), W.shape[1], Z.shape[1]
    Z = Z.reshape(T, 4 * M, N).copy()
    G, (F, P, H) = np.empty_like(Z), (np.zeros((T, M, N), Z.dtype) for _ in range(3))
    C, Y = (np.zeros((n, M, N), Z.dtype) for n in (T + 1, output_steps(visits)))
    h = np.zeros((M, N), Z.dtype)
    if I is not None:
        h, C[0] = I[:M], I[M:]
    for s, (t, out) in enumerate(visits):
        H[t], P[t] = h, dropped(h, D)
        Z[t] = add_products(Z[t], W, P[t])
        G[t] = _gates(f, r, Z[t], M)
        i, forget, g, o = G[t].reshape(4, M, N)
        c = forget * C[s] + i * g
        F[s] = activation_forward(f, c)
        C[s + 1] = kept(K, t, c, C[s])
        h = kept(K, t, o * F[s], h)
        Y[out] = h
    return tuple(x.reshape(-1, N) for x in (Y, Z, G, P, H, C, F, *_last(I, h, C[T])))


def _gates(f: Activation, r: Activation, z: Array, M: int) -> Array:
    gates = (activation_forward(a, z[g * M : (g + 1) * M]) for g, a in enumerate((r, r, f, r)))
    return np.concatenate(list(gates))


@np.errstate(all="ignore")
def lstm_backward(f: Activation, r: Activation, visits: Visits, W: Array, Z: Array, G: Array, C: Array, F: Array,
                  dY: Array, D: Array | None, K: Array | None) -> Array:  # fmt: skip
    """Return dZ (T * 4 * M, N), the last step's first.

    From dh: ``dc = dc + (dh O) f'(c)``, ``do = (dh f(c)) r'``, ``di = (dc G) r'``, ``df = (dc c_before) r'``,
    ``dg = (dc I) f'``; back to the cell state before goes ``dc F``.
    """
    T, M, N = len(visits), W.shape[1], Z.shape[1]
    Z, G, dZ = Z.reshape(T, 4, M, N), G.reshape(T, 4, M, N), np.empty((T, 4, M, N), Z.dtype)
    C, F = C.reshape(T + 1, M, N), F.reshape(T, M, N)
    dh, dc, zero = np.zeros((M, N), Z.dtype), np.zeros((M, N), Z.dtype), Z.dtype.type(0)
    for s, (t, _) in reversed(list(enumerate(visits))):
        dh = add_output(dh, dY, visits, s)
        i, forget, g, o = G[t]
        after = dc + activation_backward(f, C[s + 1], F[s], dh * o)
        terms = ((r, after * g), (r, after * C[s]), (f, after * i), (r, dh * F[s]))
        for gate, (a, term) in enumerate(terms):
            dZ[t, gate] = kept(K, t, activation_backward(a, Z[t, gate], G[t, gate], term), zero)
        dc = kept(K, t, after * forget, dc)
        back = dropped(products_back(W, dZ[t].reshape(4 * M, N)), D)
        dh = back if K is None else back + kept(K, t, zero, dh)
    return dZ.reshape(-1, N)


@np.errstate(all="ignore")
def gru_forward(f: Activation, r: Activation, visits: Visits, W: Array, b: Array | None, Z: Array, D: Array | None,
                K: Array | None, I: Array | None = None) -> tuple[Array, ...]:  # fmt: skip
    """Return Y and what the gradient needs: ``h = z h + (1 - z) g`` with ``g = f(Zg + R Sg)``, gates z, R = r(Z + S).

    S is a sum of its own, ``S = b; for k: S = S + W[i, k] * P[k]``.

    Returns
    -------
    Y : ndarray (T * M, N) or (M, N)
    Z, G : ndarray (T * 3 * M, N)
        Pre-activations of the gates z, r, h, and the activations of them.
    P, H : ndarray (T * M, N)
        The state before each step, with and without D.
    S : ndarray (T * M, N)
        The candidate's part of S.
    """
    T, M, N = len(visits), W.shape[1], Z.shape[1]
    Z = Z.reshape(T, 3, M, N).copy()
    G, (S, P, H) = np.empty_like(Z), (np.zeros((T, M, N), Z.dtype) for _ in range(3))
    Y = np.zeros((output_steps(visits), M, N), Z.dtype)
    h, one = np.zeros((M, N), Z.dtype) if I is None else I, Z.dtype.type(1)
    start = np.zeros((3 * M, N), Z.dtype) if b is None else np.repeat(b[:, None], N, axis=1)
    for t, out in visits:
        H[t], P[t] = h, dropped(h, D)
        sums = add_products(start, W, P[t]).reshape(3, M, N)
        S[t] = sums[2]
        for gate in range(2):
            Z[t, gate] += sums[gate]
            G[t, gate] = activation_forward(r, Z[t, gate])
        update, reset = G[t, 0], G[t, 1]
        Z[t, 2] += reset * S[t]
        G[t, 2] = activation_forward(f, Z[t, 2])
        h = kept(K, t, update * h + (one - update) * G[t, 2], h)
        Y[out] = h
    return tuple(x.reshape(-1, N) for x in (Y, Z, G, P, H, S, *_last(I, h)))


@np.errstate(all="ignore")
def gru_backward(f: Activation, r: Activation, visits: Visits, W: Array, Z: Array, G: Array, H: Array, S: Array,
                 dY: Array, D: Array | None, K: Array | None) -> tuple[Array, Array]:  # fmt: skip
    """Return dZ and dS (T * 3 * M, N), the last step's first.

    From dh: ``dz = (dh (h_before - g)) r'``, ``dg = (dh (1 - z)) f'``, ``dr = (dg Sg) r'``; dS is dZ but for the
    candidate, ``dg R``. Past the products, ``dh z`` goes back.
    """
    T, M, N = len(visits), W.shape[1], Z.shape[1]
    Z, G, H, S = Z.reshape(T, 3, M, N), G.reshape(T, 3, M, N), H.reshape(T, M, N), S.reshape(T, M, N)
    dZ, dS = np.empty_like(Z), np.empty_like(Z)
    dh, zero, one = np.zeros((M, N), Z.dtype), Z.dtype.type(0), Z.dtype.type(1)
    for s, (t, _) in reversed(list(enumerate(visits))):
        dh = add_output(dh, dY, visits, s)
        update, reset, g = G[t]
        dg = activation_backward(f, Z[t, 2], g, dh * (one - update))
        dr = activation_backward(r, Z[t, 1], reset, dg * S[t])
        dz = activation_backward(r, Z[t, 0], update, dh * (H[t] - g))
        for gate, (by_z, by_s) in enumerate(((dz, dz), (dr, dr), (dg, dg * reset))):
            dZ[t, gate], dS[t, gate] = kept(K, t, by_z, zero), kept(K, t, by_s, zero)
        dh = dropped(products_back(W, dS[t].reshape(3 * M, N)), D) + kept(K, t, dh * update, dh)
    return dZ.reshape(-1, N), dS.reshape(-1, N)


@np.errstate(all="ignore")
def sequence_mask(value: float, steps: int, A: Array) -> tuple[Array, Array]:
    """Return A with +0 in the steps to be passed over, and 1 for the other steps, 0 for those.

    A step is passed over where all its features are ``value``.

    Returns
    -------
    ndarray (T * D, N), ndarray (T, N)
    """
    x = A.reshape(steps, -1, A.shape[1])
    differs = (x != A.dtype.type(value)).any(axis=1)
    return np.where(differs[:, None], x, A.dtype.type(0)).reshape(A.shape), differs.astype(A.dtype)


def mask_gradient(steps: int, K: Array, dZ: Array) -> Array:
    """Return dA: dZ, and +0 in the steps that are passed over."""
    x = dZ.reshape(steps, -1, dZ.shape[1])
    return np.where((K != 0)[:, None], x, dZ.dtype.type(0)).reshape(dZ.shape)


def dropout_mask(rows: int, rate: float, seed: int, step: int, stream: int, Z: Array) -> Array:
    """Return what dropout multiplies ``rows`` features by, 0 or ``1 / (1 - rate)``, for as many samples as Z has."""
    return dropout_forward(np.zeros((rows, Z.shape[1]), Z.dtype), rate, seed, step, stream)[1]


OPS = {
    "simple_rnn_forward": lambda o, s: simple_rnn_forward(s["f"], s["visits"], o["W"], o["Z"], o["D"], o["K"], o["I"]),
    "simple_rnn_backward": lambda o, s: simple_rnn_backward(
        s["f"], s["visits"], o["W"], o["Z"], o["G"], o["dY"], o["D"], o["K"]
    ),
    "lstm_forward": lambda o, s: lstm_forward(s["f"], s["r"], s["visits"], o["W"], o["Z"], o["D"], o["K"], o["I"]),
    "lstm_backward": lambda o, s: lstm_backward(
        s["f"], s["r"], s["visits"], o["W"], o["Z"], o["G"], o["C"], o["F"], o["dY"], o["D"], o["K"]
    ),
    "gru_forward": lambda o, s: gru_forward(
        s["f"], s["r"], s["visits"], o["W"], o["b"], o["Z"], o["D"], o["K"], o["I"]
    ),
    "gru_backward": lambda o, s: gru_backward(
        s["f"], s["r"], s["visits"], o["W"], o["Z"], o["G"], o["H"], o["S"], o["dY"], o["D"], o["K"]
    ),
    "dropout_mask": lambda o, s: dropout_mask(
        s["rows"], s["rate"], s["draw"].seed, s["draw"].step, s["stream"], o["Z"]
    ),
    "sequence_mask": lambda o, s: sequence_mask(s["value"], s["steps"], o["A"]),
    "mask_gradient": lambda o, s: mask_gradient(s["steps"], o["K"], o["dZ"]),
}
