"""Initializers: values by hand, moments, shapes, the same bits from both backends' draws, bad arguments."""

import math
import subprocess
import sys

import numpy as np
import pytest

from fastnn.backends.numba_backend import random as numba_random
from fastnn.backends.numpy_backend import random as numpy_random
from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError
from fastnn.initializers import (
    INITIALIZERS,
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LeCunNormal,
    LeCunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
    get,
)
from fastnn.random import Purpose

NAMES = [
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]
DRAWN = sorted(set(NAMES) - {"zeros", "ones", "constant"})
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_the_registry_holds_them_all():
    assert list(INITIALIZERS) == NAMES


@DTYPES
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (2, 3), (3, 2), (17, 65), (4, 3, 2, 2)])
def test_shape_dtype_and_the_same_bits_by_either_draw(name, shape, dtype):
    arguments = (shape, math.prod(shape[1:]), shape[0], dtype, 7, 3)
    w = INITIALIZERS[name]()(*arguments)
    assert w.shape == shape and w.dtype == dtype and w.flags.c_contiguous and w.flags.writeable
    assert same_bits(w, INITIALIZERS[name]()(*arguments, random=numba_random))
    wide = INITIALIZERS[name]()(*arguments[:3], np.float64, *arguments[4:])
    assert same_bits(w, wide.astype(dtype)), "float32 values are the float64 ones, rounded once"


@pytest.mark.parametrize("name", DRAWN)
def test_seed_layer_and_parameter_matter(name):
    initializer = get(name)
    base = initializer((5, 4), 4, 5, np.float64, 1, 2)
    assert same_bits(base, initializer((5, 4), 4, 5, np.float64, 1, 2, parameter=0))
    for seed, layer, parameter in [(2, 2, 0), (1, 3, 0), (1, 2, 1)]:
        assert not np.isin(initializer((5, 4), 4, 5, np.float64, seed, layer, parameter=parameter), base).any()


def test_values_by_hand():
    z = numpy_random.normal(5, Purpose.WEIGHTS, 0, 2, 6, np.float64).reshape(2, 3)
    t = numpy_random.truncated_normal(5, Purpose.WEIGHTS, 0, 2, 6, np.float64).reshape(2, 3)
    u = numpy_random.uniform(5, Purpose.WEIGHTS, 0, 2, 6, np.float64).reshape(2, 3)
    cases = [
        (Zeros(), np.zeros((2, 3))),
        (Ones(), np.ones((2, 3))),
        (Constant(-2.5), np.full((2, 3), -2.5)),
        (RandomNormal(), 0.0 + 0.01 * z),
        (RandomNormal(3, 2), 3.0 + 2.0 * z),
        (TruncatedNormal(1, 0.5), 1.0 + 0.5 * t),
        (RandomUniform(-1, 3), -1.0 + 4.0 * u),
        (GlorotUniform(), math.sqrt(3 * (1 / 2.5)) * (2 * u - 1)),
        (HeUniform(), math.sqrt(3 * (2 / 3)) * (2 * u - 1)),
        (LeCunUniform(), math.sqrt(3 * (1 / 3)) * (2 * u - 1)),
        (GlorotNormal(), math.sqrt(1 / 2.5) / 0.87962566103423978 * t),
        (HeNormal(), math.sqrt(2 / 3) / 0.87962566103423978 * t),
        (LeCunNormal(), math.sqrt(1 / 3) / 0.87962566103423978 * t),
        (VarianceScaling(0.5, "fan_out", "untruncated_normal"), math.sqrt(0.5 / 2) * z),
    ]
    for initializer, expected in cases:
        assert same_bits(initializer((2, 3), 3, 2, np.float64, 5, 2), expected), initializer


@pytest.mark.parametrize(
    ("initializer", "variance", "bound"),
    [
        (RandomNormal(stddev=0.01), 1e-4, None),
        (TruncatedNormal(stddev=0.05), (0.05 * 0.8796256610342398) ** 2, 0.1),
        (RandomUniform(), 0.1**2 / 12, 0.05),
        (GlorotUniform(), 2 / 500, math.sqrt(6 / 500)),
        (GlorotNormal(), 2 / 500, 2 * math.sqrt(2 / 500) / 0.8796),
        (HeUniform(), 2 / 300, math.sqrt(6 / 300)),
        (HeNormal(), 2 / 300, 2 * math.sqrt(2 / 300) / 0.8796),
        (LeCunUniform(), 1 / 300, math.sqrt(3 / 300)),
        (LeCunNormal(), 1 / 300, 2 * math.sqrt(1 / 300) / 0.8796),
    ],
    ids=lambda value: value.name if isinstance(value, Initializer) else "",
)
def test_moments(initializer, variance, bound):
    w = initializer((200, 300), 300, 200, np.float64, 11, 0)
    assert abs(w.mean()) < 4.5 * math.sqrt(variance / w.size)
    assert abs(w.var() / variance - 1) < 4.5 * math.sqrt(2 / w.size)
    if bound is not None:
        assert bound * 0.99 < abs(w).max() <= bound * (1 + 1e-4)


def test_fans_below_one_count_as_one():
    assert same_bits(HeNormal()((2, 2), 0, 0, np.float64, 1), HeNormal()((2, 2), 1, 0, np.float64, 1))


@pytest.mark.parametrize("shape", [(5, 5), (9, 4), (4, 9), (6, 2, 3, 3)])
def test_orthogonal(shape):
    w = Orthogonal(gain=3)(shape, 1, 1, np.float64, 4, 1)
    q = w.reshape(shape[0], -1) / 3
    gram = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    assert abs(gram - np.eye(len(gram))).max() < 1e-14
    with pytest.raises(InvalidValueError, match="at least 2 sides"):
        Orthogonal()((3,), 1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_config_round_trip(name):
    initializer = INITIALIZERS[name]()
    assert initializer.name == name
    config = initializer.config()
    assert config["name"] == name
    for again in (Initializer.from_config(config), get(config), get(name), get(type(initializer))):
        assert again == initializer and type(again) is type(initializer)
    assert get(initializer) is initializer


def test_config_keeps_arguments():
    for initializer in (Constant(2), RandomNormal(1, 0.5), RandomUniform(0, 1), Orthogonal(0.5)):
        assert get(initializer.config()) == initializer
        assert initializer != type(initializer)()
    assert Zeros() != Ones()
    assert repr(RandomNormal()) == "RandomNormal(mean=0.0, stddev=0.01)"
    assert repr(GlorotUniform()) == "GlorotUniform()"


def test_unknown_names_and_types():
    with pytest.raises(UnknownNameError, match="did you mean 'glorot_uniform'"):
        get("glorot_unifrom")
    with pytest.raises(InvalidTypeError, match="an initializer is a name"):
        get(3)
    with pytest.raises(InvalidValueError, match="needs a 'name'"):
        get({"stddev": 1.0})
    with pytest.raises(UnknownNameError, match="did you mean 'stddev'"):
        get({"name": "random_normal", "stdev": 1.0})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RandomNormal(stddev=-1), InvalidValueError, "stddev must be at least 0, got -1"),
        (lambda: RandomNormal(stddev="small"), InvalidTypeError, "stddev must be a number, got 'small'"),
        (lambda: RandomNormal(mean=math.nan), InvalidValueError, "mean must be finite"),
        (lambda: TruncatedNormal(stddev=-0.1), InvalidValueError, "stddev"),
        (lambda: RandomUniform(1, 0), InvalidValueError, "minval must be at most maxval"),
        (lambda: Constant(None), InvalidTypeError, "value must be a number"),
        (lambda: Constant(True), InvalidTypeError, "value must be a number"),
        (lambda: Orthogonal(math.inf), InvalidValueError, "gain must be finite"),
        (lambda: VarianceScaling(scale=0), InvalidValueError, "scale must be above 0"),
        (lambda: VarianceScaling(mode="fan_inn"), UnknownNameError, "did you mean 'fan_in'"),
        (lambda: VarianceScaling(distribution="normal"), UnknownNameError, "distribution 'normal'"),
    ],
)
def test_bad_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(shape=3), InvalidTypeError, "shape must be a sequence"),
        (dict(shape="33"), InvalidTypeError, "shape must be a sequence"),
        (dict(shape=(2, -1)), InvalidValueError, "each side of shape"),
        (dict(shape=(2, 1.5)), InvalidTypeError, "each side of shape"),
        (dict(fan_in=-1), InvalidValueError, "fan_in"),
        (dict(fan_out=0.5), InvalidTypeError, "fan_out"),
        (dict(dtype=np.float16), InvalidValueError, "float32 or float64, got float16"),
        (dict(seed=1.5), InvalidTypeError, "seed must be an integer, got 1.5"),
        (dict(seed=None), InvalidTypeError, "seed must be an integer"),
        (dict(seed=-1), InvalidValueError, "seed must be between"),
        (dict(layer=-1), InvalidValueError, "layer must be between"),
        (dict(parameter=2**32), InvalidValueError, "parameter must be between"),
    ],
)
def test_bad_arguments(name, arguments, error, message):
    with pytest.raises(error, match=message):
        get(name)(**{"shape": (2, 3), "fan_in": 3, "fan_out": 2, **arguments})


def test_importing_leaves_numba_alone():
    code = "import sys, fastnn.initializers; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
