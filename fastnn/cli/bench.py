"""``fastnn bench``: the table of ``fastnn.bench``."""

from __future__ import annotations

import argparse

from fastnn.bench import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn.bench``."""
    command.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print; 1 if some system's result differs."""
    return command.main(args)
