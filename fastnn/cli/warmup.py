"""``fastnn warmup``: compile ahead what networks need."""

from __future__ import annotations

import argparse
import sys
from typing import TextIO

from fastnn.errors import FastnnError, InvalidValueError

WIDTH = 30
"""Characters of the bar."""

KINDS, DTYPES = ("dense", "conv", "recurrent"), ("float32", "float64")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn warmup``."""
    # fmt: off
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a model's file: compile what this one needs instead")
    parser.add_argument("--layers", metavar="KIND", nargs="+", choices=KINDS, default=KINDS,
                        help=f"kinds of networks, of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--dtype", metavar="NAME", nargs="+", choices=DTYPES, default=DTYPES,
                        help=f"of {', '.join(DTYPES)} (default: both)")
    # fmt: on


class Bar:
    """A bar on a terminal; elsewhere a line for every tenth op."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._drawn = stream, False

    def __call__(self, done: int, total: int, name: str) -> None:
        """Show that ``done`` of ``total`` ops are compiled, the last of them called ``name``."""
        if not total:
            return
        if self._stream.isatty():
            full = WIDTH * done // total
            print(f"\r[{'#' * full}{'.' * (WIDTH - full)}] {done}/{total} {name[:40]:40}", end="", file=self._stream)
            self._drawn = True
        elif done % 10 == 0 or done == total:
            print(f"compiled {done} of {total}", file=self._stream)
        self._stream.flush()

    def close(self) -> None:
        """End the bar's line."""
        if self._drawn:
            print(file=self._stream)


def run(args: argparse.Namespace) -> int:
    """Compile; the bar goes to standard error, what was done to standard output."""
    from fastnn.models import Sequential
    from fastnn.warmup import warmup

    bar = Bar(sys.stderr)
    model = None
    if args.model is not None:
        try:
            model = Sequential.load(args.model, backend="numba")
        except FastnnError as error:
            raise error if args.model in str(error) else InvalidValueError(f"{args.model}: {error}") from None
        except OSError as error:
            raise InvalidValueError(f"cannot read {args.model!r}: {error.strerror}") from None
    try:
        done = warmup(args.layers, args.dtype, model=model, progress=bar)
    finally:
        bar.close()
    print(f"{done.compiled} compiled in {done.seconds:.1f} s, {done.ready} were there")
    print(f"cache: {done.folder}, {done.bytes / 1e6:.1f} MB")
    return 0
