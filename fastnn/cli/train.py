"""``fastnn train``: from a file with a table to a model, a report and predictions, without code."""

from __future__ import annotations

import argparse
import shlex
import sys

from fastnn.activations import ACTIVATIONS
from fastnn.cli.table_arguments import add_table_arguments, output_folder, prepared
from fastnn.files import write_durably
from fastnn.optimizers import OPTIMIZERS
from fastnn.optional import require
from fastnn.plots.text_curves import text_curves
from fastnn.tabular import KEY, Settings, predictions_csv, train_table
from fastnn.tabular.report import report, score_text, versions_in_use

MODEL, REPORT, PREDICTIONS = "model.safetensors", "report.html", "predictions.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn train``."""
    add_table_arguments(parser)
    default = Settings()
    # fmt: off
    parser.add_argument("--hidden", nargs="*", type=int, default=list(default.hidden), metavar="N",
                        help="units of each hidden layer (default: 64 64); nothing for a linear model")
    parser.add_argument("--activation", default=default.activation, metavar="NAME",
                        help=f"of the hidden layers (default: relu): {', '.join(ACTIVATIONS)}")
    parser.add_argument("--dropout", type=float, default=0.0, metavar="SHARE",
                        help="after each hidden layer (default: 0)")
    parser.add_argument("--l1", type=float, default=0.0, metavar="FACTOR", help="penalty on weights (default: 0)")
    parser.add_argument("--l2", type=float, default=0.0, metavar="FACTOR", help="penalty on their squares (default: 0)")
    parser.add_argument("--optimizer", default=default.optimizer, metavar="NAME",
                        help=f"default: adam; one of {', '.join(OPTIMIZERS)}")
    parser.add_argument("--learning-rate", type=float, default=default.learning_rate, metavar="RATE",
                        help="default: 0.001")
    parser.add_argument("--batch-size", type=int, default=default.batch_size, metavar="N", help="default: 32")
    parser.add_argument("--epochs", type=int, default=default.epochs, metavar="N", help="at most (default: 200)")
    parser.add_argument("--patience", type=int, default=default.patience, metavar="N",
                        help="epochs without a better validation loss that end the training; 0 for never (default: 20)")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="default: float32")
    parser.add_argument("--output", default="fastnn-train", metavar="FOLDER",
                        help=f"for {MODEL}, {REPORT} and {PREDICTIONS} (default: fastnn-train)")
    parser.add_argument("--quiet", action="store_true", help="no progress and no curves")
    # fmt: on


def run(args: argparse.Namespace) -> int:
    """Train, write, and say how good it is."""
    require("matplotlib", purpose="the report of fastnn train")
    settings = Settings(
        tuple(args.hidden), args.activation, args.dropout, args.l1, args.l2, args.optimizer, args.learning_rate,
        args.batch_size, args.epochs, args.patience, args.dtype, args.seed,
    )  # fmt: skip
    job = prepared(args)
    settings.network(job.target)  # what is no network is refused before anything is written
    folder = output_folder(args.output)
    for note in job.notes:
        print(f"note: {note}")
    split = job.split
    print(f"{len(split.train):,} rows to train on, {len(split.validation):,} to validate on, {len(split.test):,} to "
          f"test on; {len(job.features)} columns, {job.x.shape[1]:,} inputs", flush=True)  # fmt: skip
    found = train_table(job, settings, verbose=0 if args.quiet else "auto", backend=args.backend)
    if not args.quiet:
        print(f"\n{text_curves(found.history, width=100 if not sys.stdout.isatty() else None)}\n")
    print(found.stopped)
    width = max(map(len, found.scores))
    for name, (own, guess) in found.scores.items():
        print(f"{name:<{width}}  {score_text(name, own)} on {len(found.truth):,} test rows "
              f"(guessing: {score_text(name, guess)})")  # fmt: skip
    command = shlex.join(["fastnn", *args.argv])
    found.model.network.save(folder / MODEL, metadata={KEY: found.model.description()})
    texts = {REPORT: report(found, command, versions_in_use()),
             PREDICTIONS: predictions_csv(job.target, found.outputs, split.test, found.truth)}  # fmt: skip
    for name, text in texts.items():
        write_durably(folder / name, [text.encode()])
    for name, about in ((MODEL, f"for fastnn predict {shlex.quote(str(folder / MODEL))} NEW.csv"),
                        (REPORT, "to look at"), (PREDICTIONS, "of the test rows")):  # fmt: skip
        print(f"wrote {folder / name}, {about}")
    return 0
