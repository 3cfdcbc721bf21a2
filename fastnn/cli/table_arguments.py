"""What the commands on tables share: how the file is read, which column is predicted, how rows are split."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from fastnn.backends import BACKENDS
from fastnn.errors import InvalidValueError
from fastnn.models.mlp import TASKS
from fastnn.tabular import Prepared, prepare, read_table


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    # fmt: off
    parser.add_argument("data", metavar="DATA", help="a .csv, .tsv, .npz or .parquet file, columns with names")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="what is to be predicted")
    parser.add_argument("--task", choices=list(TASKS), help="by default guessed from the target, and said")
    parser.add_argument("--drop", nargs="+", default=[], metavar="COLUMN", help="columns to leave out")
    parser.add_argument("--categorical", nargs="+", default=[], metavar="COLUMN",
                        help="columns to take as categories though they hold numbers, or very many texts")
    parser.add_argument("--impute", choices=["median"],
                        help="fill in what is missing: numbers by the median, texts by a category of their own")
    parser.add_argument("--delimiter", metavar="CHARACTER", help="of a CSV file (default: found in its first line)")
    parser.add_argument("--test", type=float, default=0.2, metavar="SHARE",
                        help="share of the rows that is only scored (default: 0.2)")
    parser.add_argument("--validation", type=float, default=0.2, metavar="SHARE",
                        help="share of the other rows that is validated on (default: 0.2)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the split and the training (default: 0)")
    parser.add_argument("--backend", choices=list(BACKENDS), metavar="NAME",
                        help=f"default: numba; one of {', '.join(BACKENDS)}: the same bits")
    # fmt: on


def prepared(args: argparse.Namespace) -> Prepared:
    """Read the file and prepare it as the options say."""
    table = read_table(args.data, args.delimiter)
    return prepare(table, args.target, task=args.task, drop=args.drop, categorical=args.categorical,
                   impute=args.impute is not None, test=args.test, validation=args.validation,
                   seed=args.seed)  # fmt: skip


def output_folder(path: str) -> Path:
    """Return the folder for results, made if its parent exists."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise InvalidValueError(f"--output must be a folder, got the file {path!r}")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        what = f"--output must be a folder in one that exists, got {path!r}"
        raise InvalidValueError(f"{what}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise InvalidValueError(f"--output must be a folder that can be written to, got {path!r}")
    return folder
