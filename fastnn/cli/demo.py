"""``fastnn demo``: something to see in a minute; ``fastnn.cli.demos`` holds one file a demo."""

from __future__ import annotations

import argparse

from fastnn.backends import BACKENDS
from fastnn.cli.demos import DEMOS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn demo``."""
    # fmt: off
    parser.add_argument("demo", nargs="?", choices=list(DEMOS), default="digits", metavar="DEMO",
                        help=f"which one (default: digits): {', '.join(DEMOS)}")
    parser.add_argument("--output", metavar="FILE",
                        help="where the learning curves go, as PNG (default: fastnn-DEMO.png); others go beside")
    parser.add_argument("--epochs", type=int, metavar="N", help="how long to train (default: the demo's own)")
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="of the initial weights and the order of the samples (default: 0)")
    parser.add_argument("--backend", choices=list(BACKENDS), metavar="NAME",
                        help=f"that trains (default: numba): {', '.join(BACKENDS)}; digits runs both")
    parser.add_argument("--quick", action="store_true", help="a few epochs on a few samples; no goal has to be reached")
    # fmt: on


def run(args: argparse.Namespace) -> int:
    """Run a demo; 1 if the backends' weights differ in a bit, or the demo misses its goal."""
    return DEMOS[args.demo](args)
