"""The estimators against scikit-learn's own, and against what their parameters and attributes promise."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from fastnn.callbacks import LambdaCallback
from fastnn.errors import FastnnError, InvalidTypeError
from fastnn.estimators import (
    CNNClassifier,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    SequenceClassifier,
)
from fastnn.estimators.seeds import order_seed
from fastnn.layers import Dense
from fastnn.optimizers import RMSprop

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
NAMES = load_iris().target_names[Y]
LABELS = np.stack([Y == 0, Y > 0, X[:, 0] > 0], axis=1).astype(int)
NUMBERS = np.stack([X[:, 0] * X[:, 1], X[:, 2] - X[:, 3]], axis=1)
QUICK = {"hidden_layer_sizes": (5, 4), "max_iter": 3, "random_state": 0, "backend": "numpy"}


def quick(kind=MLPClassifier, **settings):
    return kind(**(QUICK | settings))


def raw(estimator):
    return estimator.model_.parameters.tobytes()


# --- the same training as scikit-learn's -----------------------------------------------------------------------------

TARGETS = {
    "classes": (MLPClassifier, Y, {}),
    "two classes": (MLPClassifier, Y > 0, {}),
    "labels": (MLPClassifier, LABELS, {}),
    "number": (MLPRegressor, NUMBERS[:, 0], {}),
    "counts": (MLPRegressor, Y, {"loss": "poisson"}),
}
SOLVERS = {
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "learning_rate_init": 0.05, "nesterovs_momentum": False},
    "plain": {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 10.0},
}


def both(kind, y, settings, weight=None, samples=X):
    """Return our estimator and scikit-learn's, trained on from the same weights in the same order."""
    settings = {"hidden_layer_sizes": (6, 5), "shuffle": False, "max_iter": 1, "random_state": 0, "alpha": 0.3,
                "batch_size": 30, **settings}  # fmt: skip
    ours = kind(backend="numpy", **settings).fit(samples, y)
    theirs = getattr(neural_network, kind.__name__)(**settings).fit(samples, y)
    theirs.coefs_ = [c.copy() for c in ours.coefs_]
    theirs.intercepts_ = [b.copy() for b in ours.intercepts_]
    for estimator in (ours, theirs):
        estimator.set_params(warm_start=True, max_iter=6).fit(samples, y, weight)
    return ours, theirs


def assert_alike(ours, theirs):
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("target", ["classes", "number"])
def test_training_agrees_with_scikit_learn(solver, target):
    kind, y, settings = TARGETS[target]
    ours, theirs = both(kind, y, settings | SOLVERS[solver])
    assert_alike(ours, theirs)
    np.testing.assert_allclose(ours.loss_curve_[1:], theirs.loss_curve_[1:], rtol=1e-9)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh"])
@pytest.mark.parametrize("target", TARGETS)
def test_targets_and_activations_agree_with_scikit_learn(target, activation):
    kind, y, settings = TARGETS[target]
    ours, theirs = both(kind, y, settings | {"activation": activation})
    assert_alike(ours, theirs)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-9)
    if kind is MLPClassifier:
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6)
        np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-6, atol=1e-9)


def test_several_outputs_follow_the_same_gradients():
    assert_alike(*both(MLPRegressor, NUMBERS, {}))


def test_weights_of_a_full_batch_agree_with_scikit_learn():
    weight = np.random.RandomState(0).uniform(0.5, 3, len(X))
    ours, theirs = both(MLPClassifier, Y, {"batch_size": 150}, weight)
    assert_alike(ours, theirs)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-9)


def test_lbfgs_finds_as_low_a_loss():
    settings = {"solver": "lbfgs", "max_iter": 50, "alpha": 0.1}
    ours, theirs = both(MLPClassifier, Y, settings)
    assert ours.loss_ < theirs.loss_ + 0.01
    assert ours.loss_curve_[-1] == ours.loss_ and ours.n_iter_ <= 50


SCRIPT = """
from sklearn.neural_network import {kind}
from sklearn.datasets import load_{data} as load
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X, y = load(return_X_y=True)
scores = []
for seed in range(2):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    model = make_pipeline(StandardScaler(), {kind}(max_iter={epochs}, learning_rate_init=0.005, random_state=seed))
    scores.append(model.fit(X_train, y_train).score(X_test, y_test))
"""


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("data", "kind", "epochs"),
    [("iris", "MLPClassifier", 100), ("wine", "MLPClassifier", 30), ("breast_cancer", "MLPClassifier", 20),
     ("digits", "MLPClassifier", 8), ("diabetes", "MLPRegressor", 250)],
)  # fmt: skip
def test_a_script_runs_after_its_import_line_is_changed(data, kind, epochs):
    script = SCRIPT.format(data=data, kind=kind, epochs=epochs)
    ours, theirs = {}, {}
    exec(script, theirs)
    exec(script.replace("sklearn.neural_network", "fastnn.estimators"), ours)
    noise = 0.06 if data == "diabetes" else 0.03
    assert np.mean(ours["scores"]) > np.mean(theirs["scores"]) - noise
    assert np.mean(ours["scores"]) > (0.2 if data == "diabetes" else 0.9)


# --- bits ------------------------------------------------------------------------------------------------------------


@pytest.mark.needs_jit
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "y"), [(MLPClassifier, Y), (MLPClassifier, LABELS), (MLPRegressor, NUMBERS)])
def test_backends_train_the_same_bits(kind, y, dtype):
    a, b = (quick(kind, dtype=dtype, backend=backend).fit(X, y) for backend in ("numpy", "numba"))
    assert raw(a) == raw(b) and a.loss_curve_ == b.loss_curve_
    for use in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if hasattr(a, use):
            assert getattr(a, use)(X).tobytes() == getattr(b, use)(X).tobytes()


def test_a_whole_number_as_random_state_gives_the_same_bits():
    first = quick(dropout=0.2, early_stopping=True).fit(X, Y)
    again = quick(dropout=0.2, early_stopping=True).fit(X, Y)
    assert raw(first) == raw(again) != raw(quick(dropout=0.2, early_stopping=True, random_state=1).fit(X, Y))
    state = [raw(quick(random_state=np.random.RandomState(5)).fit(X, Y)) for _ in range(2)]
    assert state[0] == state[1]


def test_partial_fits_are_one_fit_in_pieces():
    whole = quick(tol=0).fit(X, Y)
    pieces = quick(tol=0)
    for _ in range(3):
        pieces.partial_fit(X, Y, classes=[0, 1, 2])
    assert raw(whole) == raw(pieces) and whole.loss_curve_ == pieces.loss_curve_
    assert pieces.n_iter_ == 1 and pieces.t_ == whole.t_ == 3 * len(X)


def test_sparse_samples_train_and_predict_the_same_bits():
    thin = np.where(np.abs(X) > 0.5, X, 0)
    dense = quick().fit(thin, Y)
    for kind in (sparse.csr_matrix, sparse.csc_array):
        assert raw(quick().fit(kind(thin), Y)) == raw(dense)
        assert (dense.predict_proba(kind(thin)) == dense.predict_proba(thin)).all()


def test_samples_of_no_weight_are_as_if_they_were_not_there():
    weight = (np.arange(len(X)) % 3 > 0).astype(float)
    kept = weight > 0
    assert raw(quick().fit(X, Y, weight)) == raw(quick().fit(X[kept], Y[kept]))


def test_class_weights_are_sample_weights():
    wanted = raw(quick().fit(X, NAMES, compute_sample_weight("balanced", NAMES) * np.arange(1, 151)))
    assert raw(quick(class_weight="balanced").fit(X, NAMES, np.arange(1, 151))) == wanted
    uneven = {"setosa": 3.0, "virginica": 0.5}
    wanted = raw(quick().fit(X, NAMES, compute_sample_weight(uneven, NAMES)))
    assert raw(quick(class_weight=uneven).fit(X, NAMES)) == wanted
    several = [{0: 1, 1: 2}, {0: 1, 1: 1}, {0: 3, 1: 1}]
    wanted = raw(quick().fit(X, LABELS, compute_sample_weight(several, LABELS)))
    assert raw(quick(class_weight=several).fit(X, LABELS)) == wanted


# --- attributes ------------------------------------------------------------------------------------------------------


def test_labels_of_any_type_come_back():
    found = quick(max_iter=200, learning_rate_init=0.02).fit(X, NAMES)
    assert list(found.classes_) == ["setosa", "versicolor", "virginica"]
    assert found.predict(X).dtype == NAMES.dtype and found.score(X, NAMES) > 0.9
    assert (found.predict(X) == found.classes_[found.decision_function(X).argmax(axis=1)]).all()
    two = quick(max_iter=100, learning_rate_init=0.02).fit(X, Y > 0)
    assert two.decision_function(X).shape == (150,) and two.predict_proba(X).shape == (150, 2)
    assert (two.predict(X) == (two.decision_function(X) > 0)).all() and two.score(X, Y > 0) > 0.95
    many = quick(max_iter=100, learning_rate_init=0.02).fit(X, LABELS)
    assert many.predict(X).shape == many.predict_proba(X).shape == LABELS.shape and many.score(X, LABELS) > 0.9
    one = quick().fit(X, ["a"] * 150)
    assert set(one.predict(X)) == {"a"} and (one.predict_proba(X) == 1).all()


def test_probabilities_add_up_and_have_their_logarithms():
    for y in (Y, Y > 0, LABELS):
        found = quick(solver="lbfgs", max_iter=20).fit(X, y)
        for spread in (1, 1e4):
            shares, logs = found.predict_proba(X * spread), found.predict_log_proba(X * spread)
            with np.errstate(divide="ignore"):
                np.testing.assert_allclose(logs, np.log(shares), rtol=1e-12, atol=1e-15)
            if y is not LABELS:
                np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-14)


def test_columns_of_a_table_are_remembered():
    import pandas as pd

    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    found = quick().fit(table, pd.Series(NAMES))
    assert list(found.feature_names_in_) == ["a", "b", "c", "d"] and found.n_features_in_ == 4
    assert (found.predict(table) == quick().fit(X, NAMES).predict(X)).all()
    with pytest.raises(ValueError, match="feature names"):
        found.predict(table[["b", "a", "c", "d"]])


def test_weights_can_be_read_and_written():
    found = quick(activation="tanh").fit(X, Y)
    hidden = X
    for weights, bias in zip(found.coefs_[:-1], found.intercepts_[:-1], strict=True):
        hidden = np.tanh(hidden @ weights + bias)
    scores = hidden @ found.coefs_[-1] + found.intercepts_[-1]
    np.testing.assert_allclose(found.decision_function(X), scores, rtol=1e-9)
    found.coefs_[-1][...] = 0
    found.intercepts_ = [np.zeros(5), np.zeros(4), [1.0, 3.0, 2.0]]
    assert (found.decision_function(X) == [1, 3, 2]).all() and (found.predict(X) == 1).all()
    before = raw(found)
    with pytest.raises(ValueError, match=r"coefs_ must have shapes \[\(4, 5\), \(5, 4\), \(4, 3\)\]"):
        found.coefs_ = [np.ones((4, 5)), np.ones((5, 4)), np.ones((3, 4))]
    assert raw(found) == before
    assert not hasattr(MLPClassifier(), "coefs_")


def test_early_stopping_keeps_the_best_weights():
    found = quick(early_stopping=True, max_iter=100, learning_rate_init=0.05, n_iter_no_change=5,
                  validation_fraction=0.3).fit(X, Y)  # fmt: skip
    assert found.n_iter_ < 100 and found.best_loss_ is None
    assert len(found.validation_scores_) == len(found.validation_loss_curve_) == len(found.loss_curve_) == found.n_iter_
    assert found.best_validation_score_ == max(found.validation_scores_)
    last_good = found.validation_scores_.index(found.best_validation_score_)
    short = quick(early_stopping=True, max_iter=last_good + 1, learning_rate_init=0.05, validation_fraction=0.3)
    assert raw(short.fit(X, Y)) == raw(found)


def test_validation_samples_of_ones_own():
    found = quick(MLPRegressor, max_iter=10).fit(X[:100], NUMBERS[:100], X_val=X[100:], y_val=NUMBERS[100:])
    assert len(found.validation_loss_curve_) == 10 and found.best_loss_ == min(found.loss_curve_)
    np.testing.assert_allclose(found.validation_scores_[-1], found.score(X[100:], NUMBERS[100:]), rtol=1e-9)
    assert raw(found) == raw(quick(MLPRegressor, max_iter=10).fit(X[:100], NUMBERS[:100]))
    with pytest.raises(ValueError, match="X_val needs y_val"):
        quick().fit(X, Y, X_val=X)


def test_the_rule_of_convergence_is_scikit_learns():
    found = quick(max_iter=60, tol=1e9, n_iter_no_change=4).fit(X, Y)
    assert found.n_iter_ == 6  # the first is an improvement, then more than four are none
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
        quick().fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(max_iter=60, tol=1e9).fit(X, Y)
    assert quick(max_iter=12, tol=1e9, n_iter_no_change=np.inf).fit(X, Y).n_iter_ == 12


def test_verbose_prints_scikit_learns_lines(capsys):
    quick(verbose=True, max_iter=20, tol=1e9, n_iter_no_change=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Iteration 1, loss = ") and lines[-1].endswith("consecutive epochs. Stopping.")


# --- warm starts and failures ----------------------------------------------------------------------------------------


def test_a_warm_start_goes_on():
    found = quick(warm_start=True, tol=0).fit(X, Y)
    losses, weights = found.loss_curve_, found.coefs_[0].copy()
    found.fit(X, Y)
    assert found.loss_curve_[:3] == losses and len(found.loss_curve_) == 6 and found.n_iter_ == 3
    assert found.t_ == 6 * len(X) and (found.coefs_[0] != weights).any()
    with pytest.raises(ValueError, match="same classes"):
        found.fit(X, Y + 1)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        found.set_params(hidden_layer_sizes=(7,)).fit(X, Y)


BAD = {
    "hidden_layer_sizes": [0, (3, -1), "many", 2.5], "activation": ["rellu", 3], "solver": ["adm", 1],
    "alpha": [-1, "a", float("nan")], "batch_size": [0, 1.5, "all"], "learning_rate": ["fast", 0.1],
    "learning_rate_init": [0, None], "power_t": [-1], "max_iter": [0, 2.5], "shuffle": [1], "random_state": ["x", -1],
    "tol": [-1], "verbose": ["yes"], "warm_start": [None], "momentum": [1.5], "nesterovs_momentum": ["no"],
    "early_stopping": [2], "validation_fraction": [1.0], "beta_1": [1.0], "beta_2": [-0.1], "epsilon": [0],
    "n_iter_no_change": [0], "max_fun": [0], "loss": ["log_los", None], "class_weight": [3, "even"],
    "activations": ["relu", ["relu"]], "dropout": [1.0, [0.1], "half"], "l1": [-1], "batch_normalization": [1],
    "callbacks": [3], "dtype": ["int8"], "backend": ["cuda"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_wrong_parameter_is_named_and_leaves_a_fitted_estimator_alone(name, value):
    found = quick().fit(X, Y)
    before, attributes = raw(found), set(vars(found))
    with pytest.raises((FastnnError, ValueError), match=name.split("_")[0]) as caught:
        found.set_params(**{name: value}).fit(X, Y + 1)
    assert str(caught.value)
    assert raw(found) == before and set(vars(found)) == attributes and list(found.classes_) == [0, 1, 2]


def test_all_parameters_have_a_check():
    for kind in (MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor):
        elsewhere = {"loss", "backend", "hidden_layer_sizes", "activation", "activations", "dropout", "model_builder",
                     "input_shape"}  # fmt: skip
        assert set(kind().get_params()) <= set(kind._checks) | elsewhere
    assert set(BAD) == set(MLPClassifier().get_params())


def raising(epoch, logs):
    raise RuntimeError("stop here")


@pytest.mark.parametrize(
    ("settings", "use", "message"),
    [({}, lambda e: e.fit(X[:, :2], Y), "4 features"),
     ({}, lambda e: e.partial_fit(X, Y + 5), "classes"),
     ({}, lambda e: e.partial_fit(X, Y, classes=[0, 1]), "classes"),
     ({"solver": "sgd", "learning_rate_init": 1e200}, lambda e: e.fit(X, Y), "non-finite"),
     ({"solver": "sgd", "learning_rate_init": 1e200}, lambda e: e.set_params(warm_start=False).fit(X, Y), "non-finite"),
     ({"callbacks": [LambdaCallback(on_epoch_end=raising)]}, lambda e: e.fit(X, Y), "stop here"),
     ({"callbacks": [LambdaCallback(on_epoch_end=raising)]}, lambda e: e.partial_fit(X, Y), "stop here"),
     ({"early_stopping": True, "validation_fraction": 0.001}, lambda e: e.fit(X, Y), "test_size|validation set"),
     ({}, lambda e: e.fit(X, Y, -np.ones(150)), "negative"),
     ({}, lambda e: e.fit(X, Y, np.zeros(150)), "zero")],
)  # fmt: skip
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(settings, use, message):
    found = quick(warm_start=True).fit(X, Y)
    twin = quick(warm_start=True).fit(X, Y)
    attributes = {name: value for name, value in vars(found).items() if name.endswith("_")}
    with np.errstate(all="ignore"), pytest.raises((RuntimeError, ValueError), match=message):
        use(found.set_params(**settings))
    assert raw(found) == raw(twin)
    assert {name: value for name, value in vars(found).items() if name.endswith("_")} == attributes
    found.set_params(**twin.get_params())
    assert raw(found.partial_fit(X, Y)) == raw(twin.partial_fit(X, Y))


def test_ctrl_c_keeps_what_was_learned():
    def interrupt(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted"):
        found = quick(max_iter=50, callbacks=[LambdaCallback(on_epoch_end=interrupt)]).fit(X, Y)
    assert found.n_iter_ == 2 and raw(found) == raw(quick(max_iter=2).fit(X, Y))


def test_what_is_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        MLPClassifier().predict(X)
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    with pytest.raises(ValueError, match="early_stopping"):
        quick(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="first call"):
        quick().partial_fit(X, Y)


# --- what scikit-learn lacks -----------------------------------------------------------------------------------------


def test_layers_are_what_the_parameters_say():
    found = quick(activations=["tanh", "gelu"], dropout=[0.0, 0.25], batch_normalization=True).fit(X, Y)
    kinds = [layer.kind for layer in found.model_.layers]
    assert kinds == ["dense", "batch_normalization", "activation"] * 2 + ["dropout", "dense"]
    assert [layer.activation.name for layer in found.model_.layers if layer.kind == "activation"] == ["tanh", "gelu"]
    assert found.model_.layers[-2].rate == 0.25
    assert [c.shape for c in found.coefs_] == [(4, 5), (5, 4), (4, 3)] and found.n_layers_ == 4
    assert quick(hidden_layer_sizes=()).fit(X, Y).n_layers_ == 2


def test_l1_makes_weights_vanish():
    settings = {"solver": "sgd", "max_iter": 150, "learning_rate_init": 0.05, "momentum": 0.0, "alpha": 0.0, "tol": 0.0}
    small = [np.mean(np.abs(quick(l1=l1, **settings).fit(X, Y).coefs_[0]) < 0.02) for l1 in (0.0, 10.0)]
    assert small[1] > small[0] + 0.3


def squared(y_true, y_pred):
    return (y_true - y_pred) * (y_true - y_pred)


def test_layer_sizes_in_the_place_of_the_loss():
    with pytest.raises(InvalidTypeError, match=r"loss must be one of squared_error, poisson, .* got \(16,\)"):
        MLPRegressor((16,)).fit(X, NUMBERS)


def test_a_loss_of_ones_own_sees_probabilities():
    for y in (Y, Y > 0, LABELS):
        found = quick(loss=squared, max_iter=200, learning_rate_init=0.05).fit(X, y)
        assert found.score(X, y) > 0.85
        np.testing.assert_allclose(np.log(found.predict_proba(X)), found.predict_log_proba(X), rtol=1e-9, atol=1e-12)
    onehot = (Y[:, None] == np.arange(3)).astype(float)
    found = quick(loss="mse", alpha=0.0).fit(X, Y)
    model_loss = np.mean(squared(onehot, found.predict_proba(X)))
    np.testing.assert_allclose(found.model_.evaluate(X, onehot), model_loss, rtol=1e-9)
    assert quick(MLPRegressor, loss="huber", max_iter=5).fit(X, NUMBERS).predict(X).shape == (150, 2)
    assert quick(loss="hinge", max_iter=100, learning_rate_init=0.05).fit(X, Y > 0).score(X, Y > 0) > 0.9


def test_schedules_and_optimizers_of_fastnn():
    rates = []

    def schedule(step):
        rates.append(step)
        return 0.1 / (1 + step)

    quick(learning_rate=schedule, max_iter=2, batch_size=50).fit(X, Y)
    assert rates == list(range(6))
    mine = RMSprop(0.01)
    a = quick(solver=mine).fit(X, Y)
    assert raw(a) == raw(quick(solver="rmsprop", learning_rate_init=0.01).fit(X, Y)) and a.model_.optimizer is not mine


def test_callbacks_see_each_epoch_and_may_stop():
    seen = []

    def watch(epoch, logs):
        seen.append(logs["loss"])
        stop.model.stop_training = epoch == 1

    stop = LambdaCallback(on_epoch_end=watch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = quick(max_iter=50, callbacks=[stop]).fit(X, Y)
    assert seen == found.loss_curve_ and found.n_iter_ == 2


def two_layers(shape):
    return [Dense(8, activation="tanh", input_shape=shape), Dense(6, activation="tanh")]


def test_networks_of_layers_of_ones_own():
    settings = {"max_iter": 200, "learning_rate_init": 0.02, "random_state": 0, "backend": "numpy"}
    found = NetworkClassifier(two_layers, **settings).fit(X, NAMES)
    assert found.score(X, NAMES) > 0.9 and [layer.units for layer in found.model_.layers] == [8, 6, 3]
    assert (pickle.loads(pickle.dumps(found)).predict(X) == found.predict(X)).all()
    assert NetworkRegressor(two_layers, **settings).fit(X, NUMBERS).score(X, NUMBERS) > 0.8
    for wrong in (3, lambda shape: 5, lambda shape: [Dense(3), "relu"]):
        with pytest.raises(TypeError, match="model_builder"):
            NetworkClassifier(wrong, **settings).fit(X, Y)


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("kind", "settings", "shape"),
    [(CNNClassifier, {"filters": (8,), "dense": 16}, (8, 8, 1)),
     (CNNClassifier, {"filters": 8, "dropout": 0.1}, (8, 8)),
     (SequenceClassifier, {"units": 24, "cell": "gru"}, (8, 8)),
     (SequenceClassifier, {"units": (8, 8), "bidirectional": True}, (8, 8))],
)  # fmt: skip
def test_images_and_sequences(kind, settings, shape):
    digits, labels = load_digits(return_X_y=True)
    rows, labels = (digits / 16).astype(np.float32)[:800], labels[:800]
    model = kind(**settings, input_shape=shape, max_iter=12, learning_rate_init=0.01, random_state=0)
    found = model.fit(rows, labels)
    assert found.score(rows, labels) > 0.9
    samples = rows.reshape(-1, *shape)
    assert (found.predict(samples) == found.predict(rows)).all()
    if len(shape) == 3 or kind is SequenceClassifier:
        assert raw(clone(model).set_params(input_shape=None, max_iter=2).fit(samples, labels)) == raw(
            clone(model).set_params(max_iter=2).fit(rows, labels)
        )
    with pytest.raises(ValueError, match="features"):
        found.predict(rows[:, :40])


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6.0), ("logistic", 2.0)])
def test_weights_start_within_scikit_learns_bounds(activation, factor):
    found = quick(
        hidden_layer_sizes=(50, 40), activation=activation, solver="sgd", learning_rate_init=1e-12, max_iter=1
    )
    found.fit(X, Y)
    for weights, bias in zip(found.coefs_, found.intercepts_, strict=True):
        bound = np.sqrt(factor / (weights.shape[0] + weights.shape[1]))
        assert 0.9 * bound < np.abs(weights).max() <= bound * (1 + 1e-6) and np.abs(bias).max() <= bound * (1 + 1e-6)
        assert bias.std() > 0.3 * bound


def test_each_warm_start_shuffles_anew():
    seeds = [order_seed(7, fits) for fits in range(4)]
    assert seeds[0] == 7 and len(set(seeds)) == 4 and all(0 <= seed < 2**64 for seed in seeds)
    again = quick(warm_start=True, max_iter=1, tol=0, batch_size=30).fit(X, Y).fit(X, Y)
    other = quick(warm_start=True, max_iter=1, tol=0, batch_size=30).fit(X, Y)
    assert again._fits == 2  # the next one's number
    other._fits = 5
    assert raw(again) != raw(other.fit(X, Y))
