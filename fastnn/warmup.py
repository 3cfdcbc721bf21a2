"""Compiling ahead what networks need, so that the first training of a process, or of a machine, starts at once.

Small networks of the usual kinds are trained with ops that are only noted, not run; then those are compiled that are
not in the cache. Ops serve networks of all sizes, so these few stand for all of their kinds.
"""

from __future__ import annotations

import copy
import importlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError, UnavailableError, unknown_name
from fastnn.layers import (
    GRU,
    LSTM,
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    LayerNormalization,
    MaxPooling2D,
    SimpleRNN,
)
from fastnn.models import Sequential
from fastnn.plan.data import Data

Array = np.ndarray[Any, Any]

DTYPES = ("float32", "float64")
BATCHES = (32, 1024)
"""Minibatches whose gradients are summed in different ways."""

MANY = 1 << 18
"""Samples of a prediction that does not stay in a core's caches."""

SPARSE = "sparse_categorical_crossentropy"


@dataclass(frozen=True)
class Warmed:
    """What ``warmup`` did.

    Attributes
    ----------
    compiled, ready : int
        Ops compiled now, and such as were in the cache before.
    seconds : float
    folder : str
        Where compiled code is kept.
    bytes : int
        How much of it there is.
    """

    compiled: int
    ready: int
    seconds: float
    folder: str
    bytes: int


@dataclass(frozen=True)
class Training:
    """A network and what it is trained with: layers, shape of a sample, loss, optimizer."""

    layers: list[Any]
    shape: tuple[int, ...]
    loss: str = SPARSE
    optimizer: str = "adam"


def dense() -> Iterator[Training]:
    """Yield networks of dense layers: activations, losses, optimizers."""
    for activation in ("relu", "tanh", "sigmoid", "gelu"):
        yield Training([Dense(64, activation), Dense(32, activation), Dense(10, "softmax")], (20,))
    for loss, output in (("mse", "linear"), ("mae", "linear"), ("huber", "linear"), ("binary_crossentropy", "sigmoid")):
        yield Training([Dense(64, "relu"), Dense(1, output)], (20,), loss)
    yield Training([Dense(64, "relu"), Dense(10, "softmax")], (20,), "categorical_crossentropy")
    for optimizer in ("sgd", "adamw", "rmsprop"):
        yield Training([Dense(64, "relu"), Dense(10, "softmax")], (20,), optimizer=optimizer)
    yield Training(
        [Dense(64), BatchNormalization(), Activation("relu"), LayerNormalization(), Dropout(0.5), Dense(10, "softmax")],
        (20,),
    )


def conv() -> Iterator[Training]:
    """Yield networks of convolutions and pooling."""
    for activation in ("relu", "tanh"):
        yield Training(
            [
                Conv2D(6, 5, padding="same", activation=activation),
                MaxPooling2D(2),
                Conv2D(16, 3),
                Activation(activation),
                Flatten(),
                Dense(32, activation),
                Dense(10, "softmax"),
            ],
            (12, 12, 3),
        )
    yield Training(
        [
            Conv2D(8, 3),
            BatchNormalization(),
            Activation("relu"),
            AveragePooling2D(2),
            Dropout(0.25),
            GlobalAveragePooling2D(),
            Dense(10, "softmax"),
        ],
        (12, 12, 3),
    )
    yield Training([Conv1D(8, 3, activation="relu"), GlobalAveragePooling1D(), Dense(10, "softmax")], (12, 3))


def recurrent() -> Iterator[Training]:
    """Yield networks of recurrent layers."""
    for layer in (SimpleRNN, LSTM, GRU):
        yield Training([layer(32, return_sequences=True), layer(32), Dense(10, "softmax")], (7, 5))
    yield Training([Embedding(50, 16), LSTM(32), Dense(1, "sigmoid")], (7,), "binary_crossentropy")


KINDS: dict[str, Callable[[], Iterator[Training]]] = {"dense": dense, "conv": conv, "recurrent": recurrent}


def warmup(
    layers: Sequence[str] = tuple(KINDS),
    dtype: Sequence[str] | str = DTYPES,
    *,
    model: Sequential | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Warmed:
    """Compile ahead what networks need; a second call finds all of it in the cache.

    Parameters
    ----------
    layers : sequence of str
        Kinds of networks, of "dense", "conv" and "recurrent".
    dtype : str or sequence of str
        "float32", "float64", or both.
    model : Sequential, optional
        Compile what this model needs instead; it is left as it is.
    progress : callable, optional
        Called as ``progress(done, total, name)`` before the first op and after each.

    Returns
    -------
    Warmed

    Raises
    ------
    UnavailableError
        If no folder for compiled code can be written.
    UnknownNameError, InvalidValueError

    Examples
    --------
    >>> warmup(["dense"], "float32").ready > 0  # doctest: +SKIP
    True
    """
    start = time.perf_counter()
    kinds, dtypes = list(layers), [dtype] if isinstance(dtype, str) else list(dtype)
    for kind in kinds:
        if kind not in KINDS:
            raise unknown_name("kind of layers", kind, KINDS)
    for name in dtypes:
        if name not in DTYPES:
            raise InvalidValueError(f"dtype must be 'float32' or 'float64', got {name!r}")
    cache, ahead, about, walker = (
        importlib.import_module(f"fastnn.backends.numba_backend.{name}")
        for name in ("_cache", "_ahead", "about", "walker")
    )
    if cache.CACHE_FOLDER is None:
        raise UnavailableError(
            f"no folder for compiled code can be written (tried {about.cache()['folder']}): "
            "set NUMBA_CACHE_DIR to one that can"
        )
    if model is not None:
        wanted = wanted_by_model(model)
    else:
        wanted = [what for name in dtypes for kind in kinds for t in KINDS[kind]() for what in wanted_by(t, name)]
    every = list(dict.fromkeys(wanted))
    work = ahead.missing(every)
    if progress is not None:
        progress(0, len(work), "")
    done = 0

    def advance(what: tuple[Any, ...]) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(work), what[0].__name__.removeprefix("make_").replace("_", " "))

    ahead.compile_ahead(work, advance)
    walker.compile_launch()
    found = about.cache()
    return Warmed(len(work), len(every) - len(work), time.perf_counter() - start, found["folder"], found["bytes"])


def wanted_by(training: Training, dtype: str) -> list[tuple[Any, ...]]:
    """Return the ops that a network's training, evaluation and predictions ask for."""
    model = Sequential(training.layers, dtype=dtype, backend="numba")
    model.compile(optimizer=training.optimizer, loss=training.loss)
    found: list[tuple[Any, ...]] = []
    for source in ("int64",) if isinstance(model.layers[0], Embedding) else DTYPES:
        found += _noted(model, training.shape, np.dtype(source))
    return found


def wanted_by_model(model: Sequential) -> list[tuple[Any, ...]]:
    """Return the ops that training, evaluating and predicting with a model ask for."""
    if model._plan is None:
        raise InvalidValueError("a model must be built before its code can be compiled ahead: no shape is known")
    found: list[tuple[Any, ...]] = []
    for source in DTYPES:
        found += _noted(copy.deepcopy(model), tuple(model._plan.inputs.shape), np.dtype(source))
    return found


def _noted(model: Sequential, shape: tuple[int, ...], dtype: Any) -> list[tuple[Any, ...]]:
    ops = importlib.import_module("fastnn.backends.numba_backend._ops")
    found: list[tuple[Any, ...]] = []
    with ops.planning() as noted, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for batch in BATCHES:
            X = np.zeros((batch, *shape), dtype)
            if model._plan is None:
                model.build((None, *shape))
            outputs = model.predict(X, verbose=0, allow_nonfinite=True)
            for y in _targets(model, outputs) if model.loss is not None else ():
                model.fit(X, y, epochs=1, batch_size=batch, verbose=0, allow_nonfinite=True)
                model.evaluate(X, y, verbose=0, allow_nonfinite=True)
        _predict_many(model, X)
        found += noted
    return found


def _predict_many(model: Sequential, X: Array) -> None:
    """Ask for what many samples take: they are looked at for NaN, by themselves and on the way to a prediction."""
    model.backend.all_finite(X)
    many = np.broadcast_to(X[:1].reshape(1, -1), (MANY, X[0].size))
    executor = model._executor("predict")
    out = np.empty((MANY, executor.plan.outputs.rows), model.dtype)
    executor.run("predict", Data(many), MANY, 0, out=out, check=True)


def _targets(model: Sequential, outputs: Array) -> list[Array]:
    """Return targets of the types that users hand over."""
    if str(getattr(model.loss, "name", model.loss)).startswith("sparse_"):
        return [np.zeros(outputs.shape[:-1], np.int64)]
    return [np.zeros(outputs.shape, kind) for kind in (np.float32, np.float64)]
