"""A table's whole job: choose target and features, split, train with early stopping, score on rows never looked at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from fastnn.backends import Backend, use_backend
from fastnn.callbacks import EarlyStopping
from fastnn.errors import InvalidValueError
from fastnn.models.mlp import MLPBuilder
from fastnn.models.sequential import Sequential
from fastnn.tabular.features import Feature, choose_features, encode
from fastnn.tabular.predict import TableModel
from fastnn.tabular.scores import scores
from fastnn.tabular.split import Split, check_rows, split_rows
from fastnn.tabular.table import Array, Table
from fastnn.tabular.target import Target, choose_target, with_scale
from fastnn.training.history import History
from fastnn.validation import positive_whole


@dataclass(frozen=True)
class Prepared:
    """A table ready to train on.

    Attributes
    ----------
    table : Table
        All of it, the target included.
    target : Target
    features : list of Feature
    split : Split
    truth : ndarray (rows,)
        Labels, or values in the target's units.
    x : ndarray (rows, D)
        Inputs of all rows, float64.
    notes : list of str
        What people should know.
    """

    table: Table
    target: Target
    features: list[Feature]
    split: Split
    truth: Array
    x: Array
    notes: list[str]

    def part(self, rows: Array, dtype: str = "float32") -> tuple[Array, Array]:
        """Return inputs and scaled targets of some rows, as the network takes them."""
        y = self.target.scaled(self.truth[rows])
        return self.x[rows].astype(dtype), y if self.target.classes else y.astype(dtype)


def prepare(table: Table, target: str, *, task: str | None = None, drop: Sequence[str] = (),
            categorical: Sequence[str] = (), impute: bool = False, test: float = 0.2, validation: float = 0.2,
            seed: int = 0) -> Prepared:  # fmt: skip
    """Return a table ready to train on.

    Parameters
    ----------
    table : Table
    target : str
        The column to predict.
    task : "classification" or "regression", optional
        Guessed by default.
    drop, categorical : sequence of str
        Columns to leave out, and to take as categories.
    impute : bool
        Whether missing values are filled in: numbers by the median of the training rows, texts by a category of
        their own.
    test, validation : float
        Share of the rows to test on, and share of the others to validate on.
    seed : int

    Raises
    ------
    InvalidValueError
        All columns that cannot be used are named, with what to do.
    """
    notes: list[str] = []
    if target in drop:
        raise InvalidValueError(f"the target {target!r} cannot be dropped")
    table = table.without(list(drop))
    column = table[target]
    check_rows(table.rows)
    chosen = choose_target(target, column, task, notes)
    truth = chosen.encode(column)
    split = split_rows(table.rows, truth if chosen.classes else None, test, validation, seed)
    chosen = with_scale(chosen, truth[split.train])
    inputs = table.without([target])
    features = choose_features(inputs, split.train, list(categorical), impute, notes)
    if chosen.classes:
        for number, name in enumerate(chosen.classes):
            if number not in truth[split.train]:
                notes.append(f"class {name!r} is so rare that no row of it is left to train on")
    return Prepared(table, chosen, features, split, truth, encode(features, inputs, notes), notes)


@dataclass(frozen=True)
class Settings:
    """How to train; the names are those of ``MLPBuilder`` and ``fit``."""

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    dropout: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 0.001
    batch_size: int = 32
    epochs: int = 200
    patience: int = 20
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs"):
            positive_whole(name, getattr(self, name))
        positive_whole("patience", self.patience, zero=True)

    def network(self, target: Target) -> Sequential:
        """Return the network for a target, compiled; a setting that is none raises here."""
        build = MLPBuilder(target.task, target.outputs, self.dtype)
        return build(hidden=self.hidden, activation=self.activation, dropout=self.dropout, l1=self.l1, l2=self.l2,
                     optimizer=self.optimizer, learning_rate=self.learning_rate, seed=self.seed)  # fmt: skip


@dataclass
class TrainedTable:
    """What a job leaves.

    Attributes
    ----------
    model : TableModel
    prepared : Prepared
    settings : Settings
    history : History
    stopped : str
        Why the training ended, and whose weights these are.
    outputs : ndarray (test rows, outputs)
        Of the network on the test rows.
    scores : dict
        By name: of the network on the test rows, and of guessing the same every time.
    """

    model: TableModel
    prepared: Prepared
    settings: Settings
    history: History
    stopped: str
    outputs: Array
    scores: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def truth(self) -> Array:
        """Labels or values of the test rows."""
        return self.prepared.truth[self.prepared.split.test]


def train_table(prepared: Prepared, settings: Settings, *, verbose: int | str = "auto",
                backend: Backend | str | None = None) -> TrainedTable:  # fmt: skip
    """Train on the training rows, stop by the validation rows, score on the test rows.

    The weights are those of the epoch with the least validation loss. With ``patience`` 0 training does not stop early.
    """
    target, split, s = prepared.target, prepared.split, settings
    network = s.network(target)
    stopping = EarlyStopping("val_loss", patience=s.patience or s.epochs, restore_best_weights=True)
    x, y = prepared.part(split.train, s.dtype)
    with use_backend(backend) if backend is not None else nullcontext():
        history = network.fit(x, y, s.batch_size, s.epochs, verbose, callbacks=[stopping],
                              validation_data=prepared.part(split.validation, s.dtype))  # fmt: skip
        outputs = network.predict(prepared.x[split.test].astype(s.dtype))
    found = TrainedTable(TableModel(network, prepared.features, target), prepared, s, history,
                         _stopped(history, stopping, s), outputs)  # fmt: skip
    found.scores = scores(target, found.truth, outputs, prepared.truth[split.train])
    return found


def _stopped(history: History, stopping: EarlyStopping, settings: Settings) -> str:
    epochs = len(history.epoch)
    best = "?" if stopping.best_epoch is None else stopping.best_epoch + 1
    if epochs == settings.epochs:
        return f"all {epochs} epochs were run; the weights are those of epoch {best}, with the least validation loss"
    return (
        f"stopped after epoch {epochs}, {settings.patience} epochs without a lower validation loss; the weights are "
        f"those of epoch {best}"
    )
