"""Random numbers that depend only on their name (seed, purpose, step, layer, element), not on order or split.

Here is the arithmetic, written once as straight-line integer and float64 operations that NumPy evaluates on
arrays and the Numba backend compiles on scalars. The array functions (``uniform``, ``normal``,
``bernoulli_mask``, ``permutation``, ...) live in each backend's ``random`` module, under the same names and
with the same bits.
"""

from fastnn.random.bernoulli import bernoulli, bernoulli_threshold
from fastnn.random.counter import MAX_ELEMENT, MAX_LAYER, MAX_SEED, MAX_STEP, Purpose
from fastnn.random.normal import normal_f64, normal_quantile
from fastnn.random.permutation import permutation_key, permute_cell
from fastnn.random.philox import philox4x32
from fastnn.random.uniform import uniform_f32, uniform_f64

__all__ = [
    "MAX_ELEMENT",
    "MAX_LAYER",
    "MAX_SEED",
    "MAX_STEP",
    "Purpose",
    "bernoulli",
    "bernoulli_threshold",
    "normal_f64",
    "normal_quantile",
    "permutation_key",
    "permute_cell",
    "philox4x32",
    "uniform_f32",
    "uniform_f64",
]
