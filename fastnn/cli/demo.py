"""``fastnn demo``: something to see in under a minute; ``fastnn.cli.demos`` holds one file a demo."""

from __future__ import annotations

import argparse

from fastnn.cli.demos import DEMOS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn demo``."""
    # fmt: off
    parser.add_argument("demo", nargs="?", choices=list(DEMOS), default="digits", metavar="DEMO",
                        help=f"which one (default: digits): {', '.join(DEMOS)}")
    parser.add_argument("--output", default="fastnn-demo.png", metavar="FILE",
                        help="where the learning curves go, as PNG (default: fastnn-demo.png)")
    parser.add_argument("--epochs", type=int, metavar="N", help="how long to train (default: the demo's own)")
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="of the initial weights and the order of the samples (default: 0)")
    # fmt: on


def run(args: argparse.Namespace) -> int:
    """Run a demo; 1 if the backends' weights differ in a bit."""
    return DEMOS[args.demo](args)
