"""The random numbers: published vectors, the same bits on both backends and in any split, and statistics.

Statistical checks use fixed seeds, so they either always pass or always fail; bounds are 4 to 5 standard
deviations.
"""

import itertools
import math
import subprocess
import sys

import mpmath
import numpy as np
import pytest
from numba import config

from fastnn.backends.numba_backend import random as numba_random
from fastnn.backends.numba_backend._jit import entry
from fastnn.backends.numpy_backend import random as numpy_random
from fastnn.contract import VECTOR_LANES
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.random import (
    MAX_ELEMENT,
    MAX_LAYER,
    MAX_SEED,
    MAX_STEP,
    Purpose,
    bernoulli,
    bernoulli_threshold,
    normal_f64,
    normal_quantile,
    permutation_key,
    permute_cell,
    philox4x32,
    uniform_f32,
    uniform_f64,
)
from fastnn.random.counter import block
from fastnn.random.permutation import TWO_PASSES, table_shape

BACKENDS = pytest.mark.parametrize("random", [numpy_random, numba_random], ids=["numpy", "numba"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
FLOAT_DRAWS = ["uniform", "normal", "truncated_normal"]
# The uncompiled kernels are the same text, only slow: fewer elements, and statistics on the other backend.
fast = numpy_random if config.DISABLE_JIT else numba_random
SIZES = [0, 1, 2, 3, 17, 31, 32, 33, 63, 64, 65, 1000, *([] if config.DISABLE_JIT else [70001])]
NAMES = [(0, 0, 0, 0), (MAX_SEED, 255, MAX_STEP, MAX_LAYER), (20260101, Purpose.DROPOUT, 12345, 3)]


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def words(text):
    return [np.uint64(int(word, 16)) for word in text.split()]


def chi_square(observed, expected):
    """Chi-square of counts against one expected count, in standard deviations from its mean."""
    observed = np.asarray(observed, dtype=float)
    freedom = len(observed) - 1
    return (((observed - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom)


def kolmogorov(x, distribution):
    """Kolmogorov and Smirnov's statistic, scaled by sqrt(n): above 1.95 once in 1000 samples."""
    p = distribution(np.sort(x))
    n = len(x)
    i = np.arange(n)
    return math.sqrt(n) * max((p - i / n).max(), ((i + 1) / n - p).max())


def normal_distribution(x):
    return 0.5 * (1 + np.array([math.erf(v / math.sqrt(2)) for v in x]))


# ---- Philox


@pytest.mark.parametrize(
    ("counter", "key", "result"),
    [
        ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_published_vectors(counter, key, result):
    """Random123's kat_vectors, as NumPy scalars, as arrays and compiled."""
    arguments = words(counter) + words(key)
    assert list(philox4x32(*arguments)) == words(result)
    assert [int(w[1]) for w in philox4x32(*(np.full(3, a) for a in arguments))] == words(result)
    assert list(compiled_philox(*arguments)) == words(result)


@entry
def compiled_philox(c0, c1, c2, c3, k0, k1):
    return philox4x32(c0, c1, c2, c3, k0, k1)


@BACKENDS
def test_element_mapping_is_as_documented(random):
    """Element e of one word is word (e >> 4) & 3 of block 16 (e >> 6) + e % 16, here in plain Python."""
    seed, purpose, step, layer = 0x0123456789ABCDEF, 2, 77, 0x54321
    first = (1 << 40) + 5
    x = random.uniform(seed, purpose, step, layer, 130, np.float32, first=first)
    y = random.uniform(seed, purpose, step, layer, 130, np.float64, first=first)
    for i in range(130):
        e = first + i
        for group, width in ((6, 1), (5, 2)):
            index = (e >> group << 4) + e % 16
            c = [index & 0xFFFFFFFF, index >> 32, step, purpose + (layer << 8), seed & 0xFFFFFFFF, seed >> 32]
            w = [int(v) for v in philox4x32(*map(np.uint64, c))]
            if width == 1:
                assert float(x[i]) == (w[e >> 4 & 3] >> 8) / 2**24
            else:
                at = (e >> 4 & 1) * 2
                assert float(y[i]) == ((w[at] >> 5) * 2**26 + (w[at + 1] >> 6)) / 2**53


# ---- the same bits


@DTYPES
@pytest.mark.parametrize("name", FLOAT_DRAWS)
@pytest.mark.parametrize("n", SIZES)
def test_float_draws_parity(name, n, dtype):
    one, two = getattr(numpy_random, name), getattr(numba_random, name)
    assert one is not two
    for sequence in NAMES:
        for first in (0, 7):
            a, b = one(*sequence, n, dtype, first=first), two(*sequence, n, dtype, first=first)
            assert a.shape == (n,) and a.dtype == dtype
            assert same_bits(a, b)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("rate", [0.0, 2.0**-32, 0.3, 1 - 2.0**-32, 1.0])
def test_bernoulli_parity(n, rate):
    for sequence in NAMES:
        a = numpy_random.bernoulli_mask(*sequence, n, rate, first=3)
        assert a.dtype == np.bool_
        assert same_bits(a, numba_random.bernoulli_mask(*sequence, n, rate, first=3))


@pytest.mark.parametrize("n", [*SIZES, TWO_PASSES, TWO_PASSES + 1])
def test_permutation_parity(n):
    for seed, purpose, step, layer in NAMES:
        a = numpy_random.permutation(seed, step, n, purpose=purpose, layer=layer)
        assert a.dtype == np.int64
        assert same_bits(a, numba_random.permutation(seed, step, n, purpose=purpose, layer=layer))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (1, 1), (1, 5), (5, 1), (3, 3), (64, 65), (129, 31), (40, 200)])
def test_orthogonal_parity(shape):
    a = numpy_random.orthogonal(5, 0, 0, 2, *shape)
    assert same_bits(a, numba_random.orthogonal(5, 0, 0, 2, *shape))


@BACKENDS
def test_last_element_is_reachable(random):
    x = random.uniform(1, 0, 0, 0, 3, np.float64, first=MAX_ELEMENT - 2)
    assert x[2] == random.uniform(1, 0, 0, 0, 1, np.float64, first=MAX_ELEMENT)[0]


@BACKENDS
@pytest.mark.parametrize("name", [*FLOAT_DRAWS, "bernoulli_mask"])
def test_any_split_gives_the_same_numbers(random, name):
    draw = getattr(random, name)
    for last in [(0.4,)] if name == "bernoulli_mask" else [(np.float32,), (np.float64,)]:
        whole = draw(9, Purpose.NOISE, 4, 2, 517, *last)
        for cuts in ([1], [63], [64, 65], [31, 200, 201, 500]):
            edges = [0, *cuts, 517]
            parts = [draw(9, Purpose.NOISE, 4, 2, b - a, *last, first=a) for a, b in itertools.pairwise(edges)]
            assert same_bits(np.concatenate(parts), whole)


@BACKENDS
@pytest.mark.parametrize("n", [1, 2, 3, 10, 100, 1024, 1025, 5000])
def test_any_slice_of_a_permutation(random, n):
    whole = random.permutation(3, 8, n)
    for first, count in [(0, n), (0, 0), (n, 0), (n // 2, None), (n // 3, n // 3), (n - 1, 1)]:
        stop = n if count is None else first + count
        assert same_bits(random.permutation(3, 8, n, first=first, count=count), whole[first:stop])


@entry
def _elements(seed, purpose, step, layer, first, threshold, f32, f64, normal, yes):
    for t in range(f32.shape[0]):
        e = np.uint64(first + t)
        f32[t] = numba_random.uniform_f32(seed, purpose, step, layer, e)
        f64[t] = numba_random.uniform_f64(seed, purpose, step, layer, e)
        normal[t] = numba_random.normal_f64(seed, purpose, step, layer, e)
        yes[t] = numba_random.bernoulli(seed, purpose, step, layer, e, threshold)


def test_single_elements_in_kernels_are_those_of_the_arrays():
    n, first = 200, 37
    sequence = tuple(np.uint64(v) for v in (11, Purpose.DROPOUT, 6, 2))
    f32, f64, normal, yes = np.empty(n, np.float32), np.empty(n), np.empty(n), np.empty(n, np.bool_)
    _elements(*sequence, first, bernoulli_threshold(0.25), f32, f64, normal, yes)
    element = np.arange(first, first + n, dtype=np.uint64)
    assert same_bits(f32, numpy_random.uniform(*sequence, n, np.float32, first=first))
    assert same_bits(f64, numpy_random.uniform(*sequence, n, np.float64, first=first))
    assert same_bits(normal, numpy_random.normal(*sequence, n, np.float64, first=first))
    assert same_bits(yes, numpy_random.bernoulli_mask(*sequence, n, 0.25, first=first))
    assert same_bits(f32, uniform_f32(*sequence, element))
    assert same_bits(f64, uniform_f64(*sequence, element))
    assert same_bits(normal, normal_f64(*sequence, element))
    assert same_bits(yes, bernoulli(*sequence, element, bernoulli_threshold(0.25)))


@entry
def _groups(seed, purpose, step, layer, group, one, high, low):
    numba_random.word_group(seed, purpose, step, layer, group, one)
    numba_random.word_pair_group(seed, purpose, step, layer, group, high, low)


@entry
def _permuted(key, out):
    for t in range(out.shape[0]):
        out[t] = numba_random.permuted(key, np.uint64(t))


def test_groups_and_single_indices_in_kernels():
    sequence = tuple(np.uint64(v) for v in (11, Purpose.DROPOUT, 6, 2))
    one = np.empty(numba_random.GROUP, np.uint32)
    high, low = np.empty(numba_random.PAIR_GROUP, np.uint32), np.empty(numba_random.PAIR_GROUP, np.uint32)
    _groups(*sequence, 5, one, high, low)
    x = numpy_random.uniform(*sequence, 64, np.float32, first=5 * 64)
    y = numpy_random.uniform(*sequence, 32, np.float64, first=5 * 32)
    assert same_bits(((one >> 8) / 2.0**24).astype(np.float32), x)
    assert same_bits(((high >> 5) * 2.0**26 + (low >> 6)) / 2.0**53, y)
    for n in (5, 1000, 3000):
        out = np.empty(n, np.int64)
        _permuted(permutation_key(4, 2, n, Purpose.SHUFFLE, 0), out)
        assert same_bits(out, numpy_random.permutation(4, 2, n))


def test_float32_normals_are_the_float64_ones_rounded_once():
    for name in ("normal", "truncated_normal"):
        draw = getattr(numpy_random, name)
        wide = draw(1, 0, 0, 0, 1000, np.float64)
        assert same_bits(draw(1, 0, 0, 0, 1000, np.float32), wide.astype(np.float32))


def test_fixed_values():
    """The sequences are a promise: these never change."""
    assert [v.hex() for v in numpy_random.uniform(1, 0, 0, 0, 2, np.float64).tolist()] == FIXED_UNIFORM
    assert [v.hex() for v in numpy_random.normal(1, 0, 0, 0, 2, np.float64).tolist()] == FIXED_NORMAL
    assert numpy_random.permutation(1, 0, 10).tolist() == FIXED_PERMUTATION
    assert numpy_random.permutation(1, 0, 10**6, count=4).tolist() == FIXED_LONG_PERMUTATION


FIXED_UNIFORM = ["0x1.c7d00cf94283ap-1", "0x1.58102837f1732p-1"]
FIXED_NORMAL = ["0x1.3a58275fb2975p+0", "0x1.c820d3019e493p-2"]
FIXED_PERMUTATION = [3, 5, 8, 7, 4, 9, 0, 6, 1, 2]
FIXED_LONG_PERMUTATION = [19516, 428280, 209960, 755080]


# ---- statistics


N = 200_000


@DTYPES
def test_uniform_statistics(dtype):
    x = fast.uniform(12, Purpose.NOISE, 0, 0, N, dtype).astype(float)
    assert x.min() >= 0 and x.max() < 1
    assert abs(x.mean() - 0.5) < 4 * math.sqrt(1 / 12 / N)
    assert abs(x.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / N)
    assert kolmogorov(x, lambda p: p) < 1.95
    assert abs(chi_square(np.bincount((x * 1000).astype(int), minlength=1000), N / 1000)) < 4
    bits = 24 if dtype is np.float32 else 53
    integers = (x * 2.0**bits).astype(np.int64)
    ones = np.array([((integers >> b) & 1).sum() for b in range(bits)])
    assert (abs(ones - N / 2) < 4.5 * math.sqrt(N / 4)).all(), "every bit is set half the time"


@DTYPES
@pytest.mark.parametrize("lag", [1, 2, 3, 4, 15, 16, 17, 32, 48, 64])
def test_serial_correlation(lag, dtype):
    x = fast.uniform(12, Purpose.NOISE, 0, 0, N, dtype).astype(float) - 0.5
    assert abs((x[:-lag] * x[lag:]).mean() * 12) < 4 / math.sqrt(N)


@pytest.mark.parametrize(
    "other",
    [
        (13, 3, 5, 7),
        (12 + 2**32, 3, 5, 7),
        (12, 2, 5, 7),
        (12, 3, 6, 7),
        (12, 3, 5, 6),
        (12, 3, 7, 5),
        (12, 3, 5, 7 + 2**20),
    ],
)
def test_sequences_of_other_names_are_independent(other):
    x = fast.uniform(12, 3, 5, 7, N, np.float32).astype(float)
    y = fast.uniform(*other, N, np.float32).astype(float)
    cells = (x * 20).astype(int) * 20 + (y * 20).astype(int)
    assert abs(chi_square(np.bincount(cells, minlength=400), N / 400)) < 4
    assert abs(((x - 0.5) * (y - 0.5)).mean() * 12) < 4 / math.sqrt(N)


def test_first_elements_over_consecutive_names_are_uniform():
    """What a weak generator gets wrong: the first number as a function of the seed, step or layer."""
    for at in (0, 2, 3):
        name = [5, 1, 0, 0]
        x = []
        for value in range(2000):
            name[at] = value
            x.append(fast.uniform(*name, 1, np.float32)[0])
        assert kolmogorov(np.array(x, float), lambda p: p) < 1.95


def test_normal_statistics():
    x = fast.normal(21, Purpose.NOISE, 0, 0, N, np.float64)
    assert abs(x.mean()) < 4 / math.sqrt(N)
    assert abs(x.var() - 1) < 4 * math.sqrt(2 / N)
    assert abs((x**3).mean()) < 4 * math.sqrt(15 / N)
    assert abs((x**4).mean() - 3) < 4 * math.sqrt(96 / N)
    assert kolmogorov(x, normal_distribution) < 1.95


def test_truncated_normal_statistics():
    x = fast.truncated_normal(22, Purpose.NOISE, 0, 0, N, np.float64)
    assert abs(x).max() <= 2
    assert abs(x).max() > 1.999
    below, inside = (float(v) for v in (mpmath.ncdf(-2), mpmath.ncdf(2) - mpmath.ncdf(-2)))
    assert kolmogorov(x, lambda v: (normal_distribution(v) - below) / inside) < 1.95
    assert abs(x.std() - 0.8796256610342398) < 0.005


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.5, 0.9])
def test_bernoulli_statistics(rate):
    mask = fast.bernoulli_mask(31, Purpose.DROPOUT, 0, 0, N, rate)
    assert abs(mask.mean() - rate) < 4 * math.sqrt(rate * (1 - rate) / N)
    both = (mask[:-1] & mask[1:]).mean()
    assert abs(both - rate**2) < 5 * rate * math.sqrt((1 - rate**2) / N)


def test_bernoulli_ends():
    assert not numpy_random.bernoulli_mask(31, 2, 0, 0, N, 0.0).any()
    assert numpy_random.bernoulli_mask(31, 2, 0, 0, N, 1.0).all()


def test_normal_quantile_against_mpmath():
    ends = [2.0**-53, 3 * 2.0**-53, 2.0**-33, 1e-11, 2e-11, 0.075, 0.925, 1 - 2.0**-53]
    u = np.concatenate([ends, np.linspace(0.0007, 0.9993, 300)])
    x = normal_quantile(u)
    with mpmath.workdps(40):
        for p, got in zip(u.tolist(), x.tolist(), strict=True):
            # One Newton step from a value this close squares the error away.
            x_here = mpmath.mpf(got)
            miss = mpmath.ncdf(x_here) - p if p < 0.5 else (1 - mpmath.mpf(p)) - mpmath.ncdf(-x_here)
            assert abs(miss / mpmath.npdf(x_here) / x_here) < 1e-15
    assert normal_quantile(np.array([0.5]))[0] == 0.0


# ---- permutations


@pytest.mark.parametrize("n", [*range(70), 255, 256, 257, 1023, 1024, 1025, 4097, 99991])
def test_permutation_holds_every_index_once(n):
    for step in range(3):
        assert np.array_equal(np.sort(fast.permutation(17, step, n)), np.arange(n))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 64, 65, 1000, 12345, 2**40 + 1, 2**62])
def test_table_holds_the_indices_with_few_spare_cells(n):
    rows, b = table_shape(n)
    assert n <= rows << b < n + max(2, math.isqrt(n) + 1)
    assert rows <= 2**32 and 2**b <= 2**32


def test_huge_permutation_is_injective_on_a_slice():
    for n in (2**40 + 12345, 2**62):
        x = numpy_random.permutation(1, 0, n, first=2**39, count=5000)
        assert same_bits(x, numba_random.permutation(1, 0, n, first=2**39, count=5000))
        assert len(np.unique(x)) == 5000
        assert x.min() >= 0 and x.max() < n
        assert kolmogorov(x / n, lambda p: p) < 1.95


def permutations(n, count):
    """The permutations of steps 0 .. count - 1, one a row: the formulas on arrays of keys."""
    head = permutation_key(5, 0, n, Purpose.SHUFFLE, 0)[:4]
    sequence = (np.uint64(5), np.uint64(Purpose.SHUFFLE), np.arange(count, dtype=np.uint64), np.uint64(0))
    words = [word for i in range(2) for word in block(*sequence, np.uint64(2 * n + i))]
    out = np.empty((count, n), np.uint64)
    for i in range(n):
        out[:, i] = i
        left = np.arange(count)
        while left.size:
            out[left, i] = permute_cell(out[left, i], head[1], head[2], *(word[left] for word in words[:4]))
            if head[3] == 2:
                out[left, i] = permute_cell(out[left, i], head[1], head[2], *(word[left] for word in words[4:]))
            left = left[out[left, i] >= n]
    return out.astype(np.int64)


def test_helper_makes_the_permutations_of_the_steps():
    out = permutations(7, 50)
    for step in (0, 1, 49):
        assert same_bits(out[step], numpy_random.permutation(5, step, 7))


@pytest.mark.parametrize(
    ("n", "count"), [(2, 20_000), (3, 60_000), (4, 240_000), (5, 240_000), (6, 240_000), (7, 300_000)]
)
def test_all_permutations_are_equally_likely(n, count):
    code = permutations(n, count) @ (n ** np.arange(n))
    _, seen = np.unique(code, return_counts=True)
    assert len(seen) == math.factorial(n)
    assert abs(chi_square(seen, count / math.factorial(n))) < 4


@pytest.mark.parametrize("n", [9, 16, 30, 100])
def test_every_index_goes_everywhere_and_pairs_too(n):
    out = permutations(n, 40_000)
    for i in range(0, n, max(1, n // 5)):
        assert abs(chi_square(np.bincount(out[:, i], minlength=n), len(out) / n)) < 4.5
    pair = out[:, 0] * n + out[:, 1]
    counts = np.bincount(pair, minlength=n * n).reshape(n, n)
    assert (counts.diagonal() == 0).all()
    off = counts[~np.eye(n, dtype=bool)]
    assert abs(chi_square(off, len(out) / (n * n - n))) < 4.5
    if n <= 30:
        inversions = sum((out[:, i] > out[:, j]).astype(float) for i in range(n) for j in range(i + 1, n))
        variance = n * (n - 1) * (2 * n + 5) / 72
        assert abs(inversions.mean() - n * (n - 1) / 4) < 4.5 * math.sqrt(variance / len(out))
        assert abs(inversions.var() / variance - 1) < 0.05


@pytest.mark.parametrize("n", [5000, 100_000])
def test_long_permutations_look_random(n):
    x = fast.permutation(3, 0, n).astype(float)
    y = fast.permutation(3, 1, n).astype(float)
    centre, scale = (n - 1) / 2, (n * n - 1) / 12
    for a, b in [(x[:-1], x[1:]), (x, y), (x, np.arange(n)), (x[:-2], x[2:])]:
        assert abs(((a - centre) * (b - centre)).mean() / scale) < 4.5 / math.sqrt(n)
    step = np.diff(x) % n
    assert abs(chi_square(np.bincount((step * 50 / n).astype(int), minlength=50), len(step) / 50)) < 4.5
    runs = (np.diff(np.sign(np.diff(x))) != 0).sum() + 1
    assert abs(runs - (2 * n - 1) / 3) < 4.5 * math.sqrt((16 * n - 29) / 90)
    assert (x == np.arange(n)).sum() < 8


# ---- orthogonal


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (70, 33), (33, 70), (130, 130)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    q = numpy_random.orthogonal(8, 0, 0, 1, *shape)
    assert q.shape == shape and q.flags.c_contiguous
    gram = q.T @ q if shape[0] >= shape[1] else q @ q.T
    assert abs(gram - np.eye(min(shape))).max() < 1e-14


def test_orthogonal_is_the_q_of_the_normal_numbers():
    """Against LAPACK by way of the definition: A = Q R, R triangular with a positive diagonal."""
    x = numpy_random.normal(8, 0, 0, 1, 6 * 9, np.float64).reshape(6, 9)
    q = numpy_random.orthogonal(8, 0, 0, 1, 9, 6)
    # Undo the reflections one after another: H_j of the definition, on the whole.
    expected = np.eye(9)[:, :6] * np.where([x[j, j] < 0 for j in range(6)], 1.0, -1.0)
    for j in reversed(range(6)):
        v = np.zeros(9)
        v[j:] = x[j, j:]
        v[j] += np.copysign(np.linalg.norm(v), v[j])
        expected -= 2 * np.outer(v, v @ expected) / (v @ v)
    assert abs(q - expected).max() < 1e-14
    assert VECTOR_LANES == 64


def test_orthogonal_is_uniform():
    """Over many 3 x 3 matrices every entry has mean 0 and variance 1/3, and both determinants occur."""
    q = np.array([fast.orthogonal(8, 0, step, 1, 3, 3) for step in range(2000)])
    assert abs(q.mean(axis=0)).max() < 4.5 * math.sqrt(1 / 3 / 2000)
    assert abs((q**2).mean(axis=0) - 1 / 3).max() < 4.5 * math.sqrt((1 / 5 - 1 / 9) / 2000)
    assert abs((np.linalg.det(q) > 0).mean() - 0.5) < 4.5 * math.sqrt(0.25 / 2000)


# ---- bad arguments


@BACKENDS
def test_bad_arguments(random):
    good = dict(seed=1, purpose=0, step=0, layer=0, n=3, dtype=np.float32)
    for name, value, error in [
        ("seed", 1.5, InvalidTypeError),
        ("seed", "1", InvalidTypeError),
        ("seed", None, InvalidTypeError),
        ("seed", True, InvalidTypeError),
        ("seed", -1, InvalidValueError),
        ("seed", 2**64, InvalidValueError),
        ("purpose", 256, InvalidValueError),
        ("step", 2**32, InvalidValueError),
        ("layer", 2**24, InvalidValueError),
        ("n", -1, InvalidValueError),
        ("n", 2.0, InvalidTypeError),
        ("first", -1, InvalidValueError),
        ("dtype", np.float16, InvalidValueError),
        ("dtype", np.int32, InvalidValueError),
        ("dtype", "nonsense", InvalidTypeError),
    ]:
        for draw in FLOAT_DRAWS:
            with pytest.raises(error, match=name if name != "dtype" else "float32 or float64"):
                getattr(random, draw)(**{**good, name: value})
    with pytest.raises(InvalidValueError, match=r"first \+ n"):
        random.uniform(1, 0, 0, 0, 2, np.float32, first=MAX_ELEMENT)
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(InvalidValueError, match="rate"):
            random.bernoulli_mask(1, 2, 0, 0, 3, rate)
    with pytest.raises(InvalidTypeError, match="rate"):
        random.bernoulli_mask(1, 2, 0, 0, 3, "often")
    for arguments in [dict(n=-1), dict(n=3, first=4), dict(n=3, first=1, count=3), dict(n=2**62 + 1)]:
        with pytest.raises(InvalidValueError):
            random.permutation(1, 0, **arguments)
    with pytest.raises(InvalidValueError, match="rows"):
        random.orthogonal(1, 0, 0, 0, -1, 2)


def test_numpy_integers_are_integers():
    a = numpy_random.uniform(np.int64(3), np.uint8(1), np.int32(2), np.int16(1), np.int64(5), "float64")
    assert same_bits(a, numpy_random.uniform(3, 1, 2, 1, 5, np.float64))


def test_importing_the_arithmetic_leaves_numba_alone():
    code = "import sys, fastnn.random, fastnn.backends.numpy_backend.random; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_pass_would_fail_small_permutations():
    """The guard of the chi-square: the cipher applied once is visibly unequal on six indices."""
    z = np.zeros(240_000, np.uint64)
    key = philox4x32(np.arange(len(z), dtype=np.uint64), z, z, z, z, z)
    rows, b = (np.uint64(v) for v in table_shape(6))
    code = sum(permute_cell(z + np.uint64(i), rows, b, *key).astype(np.int64) * 6**i for i in range(6))
    assert chi_square(np.unique(code, return_counts=True)[1], len(z) / 720) > 20
