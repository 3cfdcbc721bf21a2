"""``MLPClassifier``: scikit-learn's, and what its users have asked for."""

from __future__ import annotations

from typing import Any

from fastnn.estimators.classifying import NetworkClassifierMixin
from fastnn.estimators.mlp import MultilayerPerceptron
from fastnn.estimators.parameters import store


class MLPClassifier(NetworkClassifierMixin, MultilayerPerceptron):
    """Multilayer perceptron for classes, or for sets of labels.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Units of each hidden layer.
    activation : {"identity", "logistic", "tanh", "relu"}, or any activation of fastnn
        Of the hidden layers: also a name such as "gelu", an ``Activation`` or a function of ``z``.
    solver : {"adam", "sgd", "lbfgs"}, or any optimizer of fastnn
        A name such as "rmsprop", or an ``Optimizer`` (which then holds its own rate).
    alpha : float
        Factor of the L2 penalty of the weights: ``alpha / 2 * sum(w**2) / n``, n the samples of a minibatch.
    batch_size : int or "auto"
        "auto" is ``min(200, n_samples)``.
    learning_rate : {"constant", "invscaling", "adaptive"} or a schedule
        The names are for "sgd". A schedule, a function of the number of steps made, is for any solver, and then
        ``learning_rate_init`` is not used.
    learning_rate_init, power_t : float
    max_iter : int
        Epochs at most; with "lbfgs", iterations.
    shuffle : bool
    random_state : int, RandomState or None
        With a whole number every bit of the fitted network is the same each time, on any machine and backend.
    tol : float
    verbose : bool
    warm_start : bool
    momentum : float
        In [0, 1).
    nesterovs_momentum, early_stopping : bool
    validation_fraction : float
    beta_1, beta_2, epsilon : float
    n_iter_no_change : int
    max_fun : int
    loss : "log_loss", or any loss of fastnn
        Another name, a ``Loss`` or a function of ``(y_true, y_pred)``; it sees one column per output and, unless it is
        one of logits, probabilities.
    class_weight : dict, "balanced", list of dict or None
        Weights of classes, by their labels; multiplies ``sample_weight``.
    activations : sequence, optional
        The activation of each hidden layer, instead of one for all.
    dropout : float or sequence of float
        Share of a hidden layer's outputs left out in training, for all or for each.
    l1 : float
        Factor of the L1 penalty: ``l1 * sum(abs(w)) / n``.
    batch_normalization : bool
        Whether hidden layers are normalized, before their activation.
    callbacks : list of Callback, optional
        See ``fastnn.callbacks``.
    dtype : "float32", "float64" or None
        None computes in the type of ``X``, as scikit-learn does; float32 is about twice as fast.
    backend : "numba", "numpy" or None

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
    loss_, best_loss_ : float
        The last and the least of ``loss_curve_``; ``best_loss_`` is None with early stopping.
    loss_curve_ : list of float
        Of each epoch, the mean of the losses before its steps, penalties included.
    validation_scores_, validation_loss_curve_ : list of float or None
        Accuracy and loss on the validation samples after each epoch; None without any.
    best_validation_score_ : float or None
    t_ : int
        Samples seen in training.
    coefs_, intercepts_ : list of ndarray
        Weights (inputs, units) and biases (units,) of each layer, views of the network's: what is written into one, or
        assigned, is what the network computes with.
    n_iter_, n_layers_, n_outputs_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where ``X`` had names for its columns.
    out_activation_ : str
    model_ : Sequential
        The network itself, for all that a ``Sequential`` can do.

    Notes
    -----
    Initial weights have scikit-learn's distributions but come from another generator, so single runs differ. Given the
    same weights and order of samples, training agrees with scikit-learn's to rounding, except that: penalties of an
    epoch's last, smaller minibatch are divided by the size of the others; sample weights are divided by their mean
    over all samples, not over each minibatch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier((8,), max_iter=1000, random_state=0, backend="numpy", solver="lbfgs").fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, solver: Any = "adam",
                 alpha: float = 0.0001, batch_size: Any = "auto", learning_rate: Any = "constant",
                 learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
                 random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
                 momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
                 validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
                 n_iter_no_change: Any = 10, max_fun: int = 15000, loss: Any = "log_loss", class_weight: Any = None,
                 activations: Any = None, dropout: Any = 0.0, l1: float = 0.0, batch_normalization: bool = False,
                 callbacks: Any = None, dtype: Any = None, backend: Any = None) -> None:  # fmt: skip
        store(self, locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
