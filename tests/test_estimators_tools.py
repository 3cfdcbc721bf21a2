"""The estimators inside scikit-learn's tools, in other processes, and where scikit-learn is missing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score, learning_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn.callbacks import LambdaCallback
from fastnn.estimators import MLPClassifier, MLPRegressor, NetworkClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
MODEL = MLPClassifier((8,), max_iter=60, learning_rate_init=0.02, random_state=0, backend="numpy")


def test_clones_are_unfitted_and_equal():
    fitted = clone(MODEL).set_params(dropout=[0.1], activations=("tanh",)).fit(X, Y)
    copy = clone(fitted)
    assert not hasattr(copy, "model_") and str(copy.get_params()) == str(fitted.get_params())
    assert copy.fit(X, Y).coefs_[0].tobytes() == fitted.coefs_[0].tobytes()


def test_pickles_predict_and_train_on_the_same_bits():
    fitted = clone(MODEL).set_params(early_stopping=True, max_iter=5).fit(X, Y)
    copy = pickle.loads(pickle.dumps(fitted))
    assert (copy.predict_proba(X) == fitted.predict_proba(X)).all() and copy.loss_curve_ == fitted.loss_curve_
    for model in (copy, fitted):
        model.set_params(early_stopping=False).partial_fit(X, Y)
    assert copy.coefs_[0].tobytes() == fitted.coefs_[0].tobytes()


def test_a_pickle_does_not_hold_the_callbacks_of_the_training():
    seen = []
    pickle.dumps(clone(MODEL).set_params(max_iter=2).fit(X, Y).model_)
    fitted = clone(MODEL).set_params(
        max_iter=2, callbacks=[LambdaCallback(on_epoch_end=lambda e, logs: seen.append(e))]
    )
    model = fitted.fit(X, Y).model_
    assert seen == [0, 1] and pickle.loads(pickle.dumps(model)).predict(X).shape == (150, 3)


def test_pipelines_curves_and_importances():
    pipe = make_pipeline(StandardScaler(), clone(MODEL))
    assert pipe.fit(X, Y).score(X, Y) > 0.9
    sizes, train, test = learning_curve(pipe, X, Y, cv=2, train_sizes=[0.4, 1.0], shuffle=True, random_state=0)
    assert train.shape == test.shape == (2, 2) and test[-1].mean() > 0.8
    found = permutation_importance(pipe, X, Y, n_repeats=3, random_state=0)
    assert found.importances_mean[2:].min() > found.importances_mean[:2].max()
    regressor = MLPRegressor(
        hidden_layer_sizes=8, max_iter=60, learning_rate_init=0.02, random_state=0, backend="numpy"
    )
    assert cross_val_score(make_pipeline(StandardScaler(), regressor), X, X[:, 0] + X[:, 1], cv=2).shape == (2,)


def layers(shape):
    from fastnn.layers import Dense

    return [Dense(6, activation="tanh")]


@pytest.mark.needs_jit
def test_a_grid_is_searched_by_two_processes():
    pipe = make_pipeline(StandardScaler(), clone(MODEL).set_params(backend="numba", max_iter=40))
    grid = {"mlpclassifier__hidden_layer_sizes": [(1,), (8,)], "mlpclassifier__dropout": [0.0, 0.2]}
    alone, shared = (GridSearchCV(pipe, grid, cv=2, n_jobs=jobs).fit(X, Y) for jobs in (1, 2))
    assert (alone.cv_results_["mean_test_score"] == shared.cv_results_["mean_test_score"]).all()
    assert shared.best_params_["mlpclassifier__hidden_layer_sizes"] == (8,)
    assert shared.predict_proba(X).tobytes() == alone.predict_proba(X).tobytes()
    networks = {"model_builder": [layers, None]}
    assert (
        GridSearchCV(NetworkClassifier(max_iter=20, backend="numpy"), networks, cv=2, n_jobs=2).fit(X, Y).best_score_
        > 0.3
    )


FIT = """
import hashlib, warnings
import numpy as np
from fastnn.estimators import MLPClassifier
warnings.simplefilter("ignore")
X = np.linspace(-1, 1, 40, dtype=np.float32).reshape(20, 2)
for backend in ("numba", "numpy"):
    model = MLPClassifier((3,), max_iter=2, random_state=0, backend=backend).fit(X, X[:, 0] > 0)
    print(hashlib.sha256(model.model_.parameters.tobytes() + model.decision_function(X).tobytes()).hexdigest())
"""


@pytest.mark.needs_jit
def test_two_processes_fill_one_empty_kernel_cache(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([sys.executable, "-c", FIT], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    ends = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0], ends[0][1].decode() + ends[1][1].decode()
    assert len({line for out, _ in ends for line in out.split()}) == 1 and list(tmp_path.iterdir())


WITHOUT = """
import sys
import fastnn
assert "sklearn" not in sys.modules
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "sklearn" else found(name, package)
try:
    import fastnn.estimators
except fastnn.errors.MissingPackageError as error:
    print(error)
"""


def test_scikit_learn_is_needed_by_the_estimators_alone():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert done.stdout.strip() == "fastnn.estimators needs sklearn: pip install 'fastnn[sklearn]'", done.stderr


def test_a_network_is_saved_without_its_estimator(tmp_path):
    fitted = clone(MODEL).fit(X, Y)
    arrays = fitted.model_.get_weights()
    np.testing.assert_array_equal(arrays[0], fitted.coefs_[0])
