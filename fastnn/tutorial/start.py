"""Where training starts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fastnn import initializers
from fastnn.backends import Backend, get_backend
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.initializers import Initializer, RandomNormal
from fastnn.random.counter import checked_float_dtype
from fastnn.tutorial.checks import Array
from fastnn.validation import positive_whole


def initialize_parameters(
    input_size: int,
    hidden_size: int | Sequence[int],
    output_size: int,
    *,
    seed: int = 0,
    dtype: Any = np.float64,
    initializer: str | Initializer | None = None,
    scale: float = 0.01,
    backend: str | Backend | None = None,
) -> dict[str, Array]:
    """Return start values: weights drawn at random, biases 0.

    Parameters
    ----------
    input_size, output_size : int
        Features of X and rows of Y, at least 1.
    hidden_size : int or sequence of int
        Units of the hidden layer, or of each of several; an empty sequence for none.
    seed : int, default 0
        Below 2^64; equal seeds give equal bits.
    dtype : float32 or float64
    initializer : str or Initializer, optional
        Of the weights; by default normal numbers times ``scale``, as in the tutorial.
    scale : float, default 0.01
        Standard deviation of the default; not together with ``initializer``.
    backend : str or module, optional

    Returns
    -------
    dict
        W1 (units, features), b1 (units, 1), ..., WL, bL.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If an argument is out of range or of a wrong type.

    Examples
    --------
    >>> parameters = initialize_parameters(2, 4, 1, seed=3)
    >>> {name: array.shape for name, array in parameters.items()}
    {'W1': (4, 2), 'b1': (4, 1), 'W2': (1, 4), 'b2': (1, 1)}
    """
    hidden = hidden_size if isinstance(hidden_size, (Sequence, np.ndarray)) else [hidden_size]
    if isinstance(hidden, str):
        raise InvalidTypeError(f"hidden_size must be a whole number or several, got {hidden_size!r}")
    widths = [
        positive_whole("input_size", input_size),
        *(positive_whole("hidden_size", n) for n in hidden),
        positive_whole("output_size", output_size),
    ]
    kind = checked_float_dtype(dtype)
    if initializer is not None and scale != 0.01:
        raise InvalidValueError("scale is that of the default initializer: give it to yours instead")
    draw = RandomNormal(stddev=scale) if initializer is None else initializers.get(initializer)
    random = get_backend(backend).random
    parameters = {}
    for n, (features, units) in enumerate(pairwise(widths)):
        # numbered like the parameters of Sequential, which then starts from the same weights
        parameters[f"W{n + 1}"] = draw((units, features), features, units, kind, seed, 2 * n, random=random)
        parameters[f"b{n + 1}"] = np.zeros((units, 1), kind)
    return parameters
