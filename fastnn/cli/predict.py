"""``fastnn predict``: what a model of ``fastnn train`` says about a new file."""

from __future__ import annotations

import argparse
import os
import sys

import numpy as np

from fastnn.backends import BACKENDS
from fastnn.errors import FastnnError, InvalidValueError
from fastnn.files import write_durably
from fastnn.models.saved import load_metadata
from fastnn.models.sequential import Sequential
from fastnn.tabular import KEY, TableModel, predictions_csv, read_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn predict``."""
    # fmt: off
    parser.add_argument("model", metavar="MODEL", help="the model.safetensors that fastnn train wrote")
    parser.add_argument("data", metavar="DATA", help="a .csv, .tsv, .npz or .parquet file with the same columns")
    parser.add_argument("--output", metavar="FILE", help="where the predictions go, as CSV (default: standard output)")
    parser.add_argument("--delimiter", metavar="CHARACTER", help="of a CSV file (default: found in its first line)")
    parser.add_argument("--backend", choices=list(BACKENDS), metavar="NAME",
                        help=f"default: numba; one of {', '.join(BACKENDS)}: the same bits")
    # fmt: on


def load_model(path: str, backend: str | None) -> TableModel:
    """Return the model in a file, with what it needs to read tables."""
    try:
        tree = load_metadata(path).get(KEY)
        return TableModel.described(Sequential.load(path, backend=backend), tree)
    except FastnnError as error:
        raise error if path in str(error) else InvalidValueError(f"{path}: {error}") from None
    except OSError as error:
        raise InvalidValueError(f"cannot read {path!r}: {error.strerror}") from None


def run(args: argparse.Namespace) -> int:
    """Predict; remarks go to standard error, so that the output can be piped."""
    model = load_model(args.model, args.backend)
    table = read_table(args.data, args.delimiter)
    if args.output is not None and not os.path.isdir(os.path.dirname(args.output) or "."):
        raise InvalidValueError(f"--output must be a file in a folder that exists, got {args.output!r}")
    notes: list[str] = []
    text = predictions_csv(model.target, model.outputs(table, notes), np.arange(table.rows))
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_durably(args.output, [text.encode()])
        print(f"wrote {args.output}: {table.rows:,} predictions of {model.target.name}")
    return 0
