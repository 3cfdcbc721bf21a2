"""The rows of the benchmark table: what is computed, on what shapes, and the speed that is aimed at.

A row says only what the work is. Its data come from ``fastnn.bench.data`` and each system's way of doing it
from ``fastnn.bench.peers``. A training step is: the minibatch's loss, the gradient, the update of every
weight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastnn.bench import networks
from fastnn.bench.networks import Network
from fastnn.errors import unknown_name


@dataclass(frozen=True)
class Workload:
    """One row of the table.

    Attributes
    ----------
    name : str
        The name that ``rows=`` and ``--rows`` accept.
    title : str
        What the row is, for people.
    kind : {"train", "predict", "forward_propagation", "tutorial_loop", "elementwise"}
        A training run, a batch of rows through a trained network, the tutorial's function of that name, or one
        function over an array.
    sizes : tuple of int
        Of a dense network: features in, hidden units, ..., units out; for "elementwise" the number of elements.
    dtype : {"float32", "float64"}
        Type of data, weights and results.
    hidden, output : str
        Activation of the hidden layers and of the last one.
    loss, optimizer, learning_rate :
        What is minimised and how.
    batch, batches : int
        Samples in a minibatch, minibatches in the data (an epoch).
    epochs : int or None
        Length of one run when the whole run is the unit reported (None: a step is the unit).
    target : float or None
        Aim: (time of the best of ``against``) / (time of fastnn).
    against : tuple of str
        Systems that the target is stated against (empty: the best of all).
    share : float or None
        Aim: floor / (time of fastnn).
    tolerance : float
        Largest difference between the results of two systems that did the same work, relative to the largest
        entry of a result.
    layered : Network or None
        The network, where it is not a dense one.
    frozen : bool
        Whether one row goes through what a library has for that (our predictor), or through the call for any batch.
    """

    name: str
    title: str
    kind: str
    sizes: tuple[int, ...] = ()
    dtype: str = "float32"
    hidden: str = "sigmoid"
    output: str = "softmax"
    loss: str = "categorical_crossentropy"
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    batch: int = 1
    batches: int = 1
    epochs: int | None = None
    target: float | None = None
    against: tuple[str, ...] = ()
    share: float | None = None
    tolerance: float = 1e-5
    layered: Network | None = None
    frozen: bool = True

    @property
    def weights_tolerance(self) -> float:
        """Largest difference of two trainings' weights, relative to the way they went (``fastnn.bench.data.apart``).

        Adam's epsilon, which PyTorch adds elsewhere than the others do, moves weights of tiny gradients: by 8 % of the
        way on LeNet-5, where a step left out makes 12 %.
        """
        return 0.1 if self.optimizer == "adam" else 100 * self.tolerance

    @property
    def trains(self) -> bool:
        """Whether the row's work changes weights."""
        return self.kind in ("train", "tutorial_loop")

    @property
    def group(self) -> str:
        """Which of ``GROUPS`` the row is shown in."""
        if self.kind != "train" and self.kind != "elementwise" and self.batch < 32:
            return "single calls"
        if self.name.endswith("-float64"):
            return "float64"
        return "training" if self.kind == "train" else "forward"

    @property
    def network(self) -> Network:
        """The network, dense or not."""
        return self.layered or networks.dense(self.sizes, self.hidden, self.output)

    @property
    def flops(self) -> int:
        """Floating-point operations of the matrix products in one step (0 for "elementwise")."""
        if self.kind == "elementwise":
            return 0
        return self.batch * self.network.flops(training=self.trains)

    @property
    def unit(self) -> int:
        """Steps come in multiples of this: whole epochs, or 20 steps where an epoch is one step.

        So many steps are also run before the systems' results are compared: few, before rounding errors grow.
        """
        if not self.trains:
            return 1
        return self.batches if self.batches > 1 else 20

    def at_most(self, limit: int, **changes: Any) -> Workload:
        """Return the row made small, to see that it runs; ``changes`` are fields."""
        smaller = {"batch": min(self.batch, limit), **changes}
        if self.layered is not None:
            return replace(self, layered=self.layered.at_most(limit), **smaller)
        return replace(self, sizes=tuple(min(n, limit) for n in self.sizes), **smaller)


GROUPS = {
    "training": "Training",
    "forward": "Forward",
    "float64": "The same in float64",
    "single calls": "Single calls",
}
"""The table's parts and their headings."""

LAYERED: tuple[tuple[str, str, Network, int, float], ...] = (
    ("lenet", "LeNet-5 on 28x28", networks.lenet(), 128, 3.0),
    ("lstm", "LSTM, 28 steps of 28, 64 units", networks.recurrent("lstm"), 64, 2.5),
    ("gru", "GRU, 28 steps of 28, 64 units", networks.recurrent("gru"), 64, 5.0),
    ("simple-rnn", "simple RNN, 28 steps of 28, 64 units", networks.recurrent("simple_rnn"), 64, 6.0),
)
"""Rows that are measured in training and forward: name, title, network, batch, target."""

ROWS: tuple[Workload, ...] = (
    Workload(
        "xor", "2-4-1 sigmoid, full batch 4, float64, gradient descent", "train", (2, 4, 1), "float64",
        output="sigmoid", loss="binary_crossentropy", learning_rate=0.5, batch=4,
        target=20.0, against=("numpy", "torch", "jax-step"), tolerance=1e-9,
    ),
    Workload(
        "regression", "4-32-32-1 tanh, batch 1024, SGD, mean squared error", "train", (4, 32, 32, 1),
        hidden="tanh", output="linear", loss="mean_squared_error", learning_rate=0.05,
        batch=1024, batches=32, target=3.0,
    ),
    Workload(
        "mnist-small", "784-128-10 sigmoid, batch 128, SGD", "train", (784, 128, 10),
        batch=128, batches=32, target=1.25,
    ),
    Workload(
        "mnist-large", "784-512-512-10 relu, batch 256, SGD", "train", (784, 512, 512, 10),
        hidden="relu", learning_rate=0.02, batch=256, batches=8, target=1.05,
    ),
    Workload(
        "wide", "2048-2048-2048-10 relu, batch 1024, SGD", "train", (2048, 2048, 2048, 10),
        hidden="relu", learning_rate=0.02, batch=1024, batches=2, target=0.95,
    ),
    Workload(
        "digits", "digits 64-64-10 relu, batch 32, Adam, 20 epochs (whole run)", "train", (64, 64, 10),
        hidden="relu", optimizer="adam", learning_rate=1e-3, batch=32, batches=56, epochs=20,
        target=10.0, against=("scikit-learn",), tolerance=1e-4,
    ),
    Workload(
        "predict-mnist", "one row through 784-128-10 sigmoid, frozen", "predict", (784, 128, 10),
        output="sigmoid", target=2.0, against=("onnxruntime",),
    ),
    Workload(
        "predict-tiny", "one row through 8-16-2 sigmoid, frozen", "predict", (8, 16, 2),
        output="sigmoid", target=4.0, against=("onnxruntime",),
    ),
    Workload(
        "predict-one-mnist", "one row through 784-128-10 sigmoid, by the plain predict", "predict", (784, 128, 10),
        output="sigmoid", target=1.0, against=("numpy",), frozen=False,
    ),
    Workload(
        "predict-one-tiny", "one row through 8-16-2 sigmoid, by the plain predict", "predict", (8, 16, 2),
        output="sigmoid", target=1.0, against=("numpy",), frozen=False,
    ),
    Workload(
        "tutorial", "the tutorial's forward_propagation, 2-4-1 sigmoid, 4 samples, float64", "forward_propagation",
        (2, 4, 1), "float64", output="sigmoid", batch=4, target=2.0, against=("numpy",), tolerance=1e-14,
    ),
    Workload(
        "tutorial-loop", "the tutorial's loop of four functions, 2-4-1 sigmoid, 4 samples, float64", "tutorial_loop",
        (2, 4, 1), "float64", output="sigmoid", loss="binary_crossentropy", learning_rate=0.5, batch=4,
        target=2.0, against=("numpy",), tolerance=1e-9,
    ),
    Workload(
        "predict-60000", "60,000 rows through 784-128-10 sigmoid", "predict", (784, 128, 10),
        output="sigmoid", batch=60_000, target=1.2,
    ),
    Workload(
        "sigmoid-float64", "sigmoid of 1M elements, float64", "elementwise", (1_000_000,), "float64",
        target=3.0, against=("numpy",), tolerance=1e-14,
    ),
    Workload(
        "sigmoid-float32", "sigmoid of 1M elements, float32", "elementwise", (1_000_000,),
        target=1.0, against=("torch",), tolerance=1e-6,
    ),
    *(
        Workload(
            name, f"{title}, batch {batch}, Adam", "train", optimizer="adam", learning_rate=1e-3,
            batch=batch, batches=8, target=target, against=("torch",), tolerance=1e-4, layered=network,
        )
        for name, title, network, batch, target in LAYERED
    ),
    *(
        Workload(
            f"predict-{name}", f"{title}, batch {batch}, forward", "predict", batch=batch,
            target=target, against=("torch",), layered=network,
        )
        for name, title, network, batch, target in LAYERED
    ),
    Workload(
        "predict-conv3x3", "3x3 convolution, 32 to 32 channels on 32x32, batch 64, forward", "predict",
        batch=64, share=0.5, layered=networks.convolutions(1),
    ),
    Workload(
        "conv3x3", "two 3x3 convolutions, 32 to 32 channels on 32x32, batch 64, SGD", "train",
        batch=64, batches=2, share=0.5, layered=networks.convolutions(2),
    ),
)  # fmt: skip

WORKLOADS: tuple[Workload, ...] = (
    *ROWS,
    *(
        replace(row, name=f"{row.name}-float64", title=f"{row.title}, float64", dtype="float64",
                tolerance=row.tolerance if row.optimizer == "adam" else 1e-9)
        for row in ROWS if row.kind == "train" and row.dtype == "float32"
    ),
)  # fmt: skip
"""All rows: those written above, and the training rows again in float64, for the same ratios."""


def select(names: list[str] | None) -> list[Workload]:
    """Return the rows called ``names``, in the table's order (None: all of them)."""
    known = {w.name: w for w in WORKLOADS}
    for name in names or ():
        if name not in known:
            raise unknown_name("benchmark row", name, known)
    return [w for w in WORKLOADS if names is None or w.name in names]
