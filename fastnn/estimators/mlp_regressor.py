"""``MLPRegressor``: scikit-learn's, and what its users have asked for."""

from __future__ import annotations

from typing import Any

from fastnn.estimators.mlp import MultilayerPerceptron
from fastnn.estimators.parameters import store
from fastnn.estimators.regressing import NetworkRegressorMixin


class MLPRegressor(NetworkRegressorMixin, MultilayerPerceptron):
    """Multilayer perceptron for one number or several.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, or any loss of fastnn
        Half the squared error and half the Poisson deviance (of ``exp`` of the output), summed over the outputs, as
        scikit-learn follows their gradients. Also a name such as "huber", a ``Loss`` or a function of
        ``(y_true, y_pred)``.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, \
beta_1, beta_2, epsilon, n_iter_no_change, max_fun, activations, dropout, l1, batch_normalization, callbacks, dtype, \
backend
        As for ``MLPClassifier``.

    Attributes
    ----------
    loss_, best_loss_, loss_curve_, validation_scores_, validation_loss_curve_, best_validation_score_, t_, coefs_, \
intercepts_, n_iter_, n_layers_, n_outputs_, n_features_in_, feature_names_in_, out_activation_, model_
        As of ``MLPClassifier``; the validation score is R2. For several outputs losses are sums over them, where
        scikit-learn reports the mean of the squared error (and descends along the sum).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor(hidden_layer_sizes=8, solver="lbfgs", max_iter=1000, random_state=0, backend="numpy")
    >>> model.fit(X, y).score(X, y) > 0.3
    True
    """

    def __init__(self, loss: Any = "squared_error", hidden_layer_sizes: Any = (100,), activation: Any = "relu", *,
                 solver: Any = "adam", alpha: float = 0.0001, batch_size: Any = "auto",
                 learning_rate: Any = "constant", learning_rate_init: float = 0.001, power_t: float = 0.5,
                 max_iter: int = 200, shuffle: bool = True, random_state: Any = None, tol: float = 1e-4,
                 verbose: Any = False, warm_start: bool = False, momentum: float = 0.9,
                 nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: Any = 10,
                 max_fun: int = 15000, activations: Any = None, dropout: Any = 0.0, l1: float = 0.0,
                 batch_normalization: bool = False, callbacks: Any = None, dtype: Any = None,
                 backend: Any = None) -> None:  # fmt: skip
        store(self, locals())
