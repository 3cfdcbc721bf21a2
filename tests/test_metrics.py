"""Metrics: values by hand, independence of the split into batches, ties, weights, names, bad input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError
from fastnn.losses import LOSSES
from fastnn.metrics import (
    AUC,
    METRICS,
    BinaryAccuracy,
    CategoricalAccuracy,
    FunctionMetric,
    MeanSquaredError,
    Metric,
    R2Score,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    resolve,
)


def of(metric, *batch):
    metric.update(*batch)
    return metric.result()


def one_hot(labels, classes):
    return np.eye(classes)[labels]


SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3]])
LABELS = np.array([1, 1, 2, 1])

# name: (targets, predictions, value) by hand
BY_HAND = {
    "binary_accuracy": ([0, 1, 1, 0], [0.5, 0.6, 0.4, 0.1], 0.75),
    "categorical_accuracy": (one_hot(LABELS, 3), SCORES, 0.5),
    "sparse_categorical_accuracy": (LABELS, SCORES, 0.5),
    "top_k_categorical_accuracy": (one_hot([0, 5], 6), [[0, 1, 2, 3, 4, 5], [5, 5, 5, 5, 5, 6]], 0.5),
    "sparse_top_k_categorical_accuracy": ([0, 5], [[0, 1, 2, 3, 4, 5], [5, 5, 5, 5, 5, 6]], 0.5),
    "mean_squared_error": ([[0.0, 0.0], [1.0, 1.0]], [[1.0, 3.0], [1.0, 3.0]], 3.5),
    "mean_absolute_error": ([[0.0, 0.0], [1.0, 1.0]], [[1.0, -3.0], [1.0, 3.0]], 1.5),
    "mse": ([1.0, 2.0], [2.0, 4.0], 2.5),
    "mae": ([1.0, 2.0], [2.0, 4.0], 1.5),
    "r2_score": ([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 3.0, 4.0], 0.95),
    "auc": ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75),
}


def test_every_metric_has_a_case():
    assert set(BY_HAND) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_values_by_hand(name):
    true, pred, value = BY_HAND[name]
    metric = METRICS[name]()
    assert math.isnan(metric.result())
    assert of(metric, true, pred) == value
    assert isinstance(metric.result(), float)
    metric.reset()
    assert math.isnan(metric.result())
    assert of(metric, true, pred) == value


def data(name, samples=200):
    rng = np.random.default_rng(11)
    if "categorical" in name:
        labels, pred = rng.integers(0, 8, samples), rng.normal(size=(samples, 8)).round(1)
        return (labels if "sparse" in name else one_hot(labels, 8)), pred.astype(np.float32)
    if name in ("auc", "binary_accuracy"):
        return rng.integers(0, 2, samples), rng.uniform(size=samples).round(2)
    return rng.normal(size=(samples, 3)), rng.normal(size=(samples, 3)).astype(np.float32)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("weighted", [False, True])
def test_bits_do_not_depend_on_the_split_into_batches(name, weighted):
    true, pred = data(name)
    weights = np.random.default_rng(1).uniform(size=len(true)) if weighted else None
    whole = of(METRICS[name](), true, pred, weights)
    assert math.isfinite(whole)
    metric = METRICS[name]()
    edges = [0, 0, 1, 64, 130, 130, len(true)]
    for start, stop in itertools.pairwise(edges):
        metric.update(true[start:stop], pred[start:stop], None if weights is None else weights[start:stop])
    assert metric.result() == whole


@pytest.mark.parametrize("name", METRICS)
def test_whole_weights_repeat_samples(name):
    true, pred = data(name, 40)
    weights = np.random.default_rng(2).integers(0, 4, size=40)
    weighted = of(METRICS[name](), true, pred, weights)
    repeated = of(METRICS[name](), np.repeat(true, weights, axis=0), np.repeat(pred, weights, axis=0))
    assert weighted == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_column_vectors_equal_flat_ones(name):
    true, pred, value = BY_HAND[name]
    if np.ndim(pred) == 1:
        assert of(METRICS[name](), np.reshape(true, (-1, 1)), np.reshape(pred, (-1, 1))) == value
        assert of(METRICS[name](), true, np.reshape(pred, (-1, 1))) == value


def test_ties_go_to_the_first_index():
    tied = [[1.0, 1.0, 0.0]]
    assert of(SparseCategoricalAccuracy(), [0], tied) == 1
    assert of(SparseCategoricalAccuracy(), [1], tied) == 0
    assert of(CategoricalAccuracy(), [[0, 1, 0]], tied) == 0
    assert of(SparseTopKCategoricalAccuracy(1), [1], tied) == 0
    assert of(SparseTopKCategoricalAccuracy(2), [1], tied) == 1
    assert of(TopKCategoricalAccuracy(2), [[0, 0, 1]], tied) == 0


def test_auc_against_counting_pairs():
    true, score = data("auc", 150)
    positive, negative = score[true == 1], score[true == 0]
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative]
    assert of(AUC(), true, score) == math.fsum(pairs) / len(pairs)


def test_auc_of_one_class_is_nan_and_of_ties_a_half():
    assert math.isnan(of(AUC(), [1, 1], [0.2, 0.3]))
    assert of(AUC(), [0, 1, 0, 1], [0.5] * 4) == 0.5
    assert of(AUC(), [-1, 1], [math.inf, -math.inf]) == 0.0


def test_auc_keeps_its_own_copy():
    metric, score = AUC(), np.array([0.1, 0.9])
    metric.update([0, 1], score)
    score[:] = score[::-1]
    assert metric.result() == 1.0


def test_r2_of_constant_targets_and_of_a_large_offset():
    assert of(R2Score(), [2.0, 2.0], [2.0, 2.0]) == 1.0
    assert of(R2Score(), [2.0, 2.0], [2.0, 3.0]) == 0.0
    true, pred = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.5, 2.0, 3.0, 4.0])
    assert of(R2Score(), true + 1e9, pred + 1e9) == 0.95


def test_r2_refuses_another_number_of_outputs():
    metric = R2Score()
    metric.update([1.0], [1.0])
    with pytest.raises(InvalidValueError, match="began with 1 outputs, got 2"):
        metric.update(np.zeros((1, 2)), np.zeros((1, 2)))


def test_binary_accuracy_thresholds_and_signs():
    assert of(BinaryAccuracy(0.0), [-1, 1, 0, 1], [-0.2, 0.2, 0.1, 3.0]) == 0.75
    assert of(BinaryAccuracy(), [[0, 1], [1, 1]], [[0.1, 0.9], [0.1, 0.9]]) == 0.75


def test_functions_become_metrics():
    def bias(y_true, y_pred):
        return np.asarray(y_pred) - np.asarray(y_true)

    metric = resolve(bias, "mse", 1)
    assert metric.name == "bias"
    metric.update([1.0, 2.0], [2.0, 2.0], [3.0, 1.0])
    metric.update([1.0], [5.0])
    assert metric.result() == (3 * 1 + 1 * 0 + 4) / 5

    largest = FunctionMetric(lambda y_true, y_pred: float(np.max(y_pred)), name="largest")
    largest.update([0, 0, 0], [1.0, 2.0, 3.0])
    largest.update([0], [7.0])
    assert largest.name == "largest"
    assert largest.result() == (3 * 3 + 7) / 4

    with pytest.raises(InvalidValueError, match="one number or one per sample"):
        FunctionMetric(lambda t, p: np.zeros(5)).update([0, 0], [1, 1])
    with pytest.raises(InvalidTypeError, match="must return real numbers"):
        FunctionMetric(lambda t, p: "good").update([0, 0], [1, 1])
    with pytest.raises(InvalidTypeError, match="callable"):
        FunctionMetric(3)


@pytest.mark.parametrize(
    ("loss", "outputs", "kind", "threshold"),
    [
        ("binary_crossentropy", 1, BinaryAccuracy, 0.5),
        ("binary_crossentropy_from_logits", 1, BinaryAccuracy, 0.0),
        ("binary_crossentropy", 4, BinaryAccuracy, 0.5),
        ("hinge", 1, BinaryAccuracy, 0.0),
        ("mse", 1, BinaryAccuracy, 0.5),
        ("mse", 3, CategoricalAccuracy, None),
        ("categorical_crossentropy", 3, CategoricalAccuracy, None),
        ("sparse_categorical_crossentropy", 3, SparseCategoricalAccuracy, None),
        (LOSSES["sparse_categorical_crossentropy_from_logits"], 3, SparseCategoricalAccuracy, None),
    ],
)
def test_accuracy_resolves_by_loss_and_outputs(loss, outputs, kind, threshold):
    metric = resolve("accuracy", loss, outputs)
    assert type(metric) is kind
    assert metric.name == "accuracy"
    assert getattr(metric, "threshold", None) == threshold


def test_resolve():
    assert type(resolve("mse", "mse", 1)) is MeanSquaredError
    assert resolve("mse", "mse", 1).name == "mse"
    assert MeanSquaredError().name == "mean_squared_error"
    assert resolve("acc", "mse", 1).name == "acc"
    assert isinstance(resolve(AUC, "mse", 1), AUC)
    own = AUC()
    assert resolve(own, "mse", 1) is own
    with pytest.raises(UnknownNameError, match="did you mean 'accuracy'"):
        resolve("acuracy", "mse", 1)
    with pytest.raises(InvalidTypeError, match="a metric is"):
        resolve(3, "mse", 1)


BAD = [
    (MeanSquaredError, ([1.0, 2.0], [1.0]), "same shape"),
    (MeanSquaredError, (1.0, [1.0]), "one row per sample"),
    (MeanSquaredError, ([1.0], [1.0], [1.0, 2.0]), "one number per sample"),
    (MeanSquaredError, ([1.0], [1.0], [-1.0]), "at least 0, got -1.0 at row 0"),
    (SparseCategoricalAccuracy, (one_hot(LABELS, 3), SCORES), "without 'sparse'"),
    (SparseCategoricalAccuracy, ([0, 1, 2, 3], SCORES), "from 0 to 2, got 3 at row 3"),
    (SparseCategoricalAccuracy, ([0, -1, 2, 0], SCORES), "got -1 at row 1"),
    (SparseCategoricalAccuracy, ([0.0, 0.5, 2, 0], SCORES), "got 0.5 at row 1"),
    (AUC, ([0, 1], [0.1, math.nan]), "NaN, got one at row 1"),
    (AUC, (np.zeros((2, 2)), np.zeros((2, 2))), "one score per sample"),
]


@pytest.mark.parametrize(("kind", "batch", "message"), BAD)
def test_bad_values_leave_the_metric_unchanged(kind: type[Metric], batch, message):
    metric = kind()
    with pytest.raises(InvalidValueError, match=message):
        metric.update(*batch)
    assert math.isnan(metric.result())


def test_bad_arguments():
    with pytest.raises(InvalidTypeError, match="real numbers, got dtype"):
        MeanSquaredError().update(["a"], ["b"])
    with pytest.raises(InvalidValueError, match="k must be at least 1"):
        TopKCategoricalAccuracy(0)
    with pytest.raises(InvalidTypeError, match="k must be an integer"):
        TopKCategoricalAccuracy(2.5)
    with pytest.raises(InvalidTypeError, match="threshold"):
        BinaryAccuracy("half")
