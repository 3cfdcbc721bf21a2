"""``fastnn compare``: both backends on one network, side by side."""

from __future__ import annotations

import argparse
import json

from fastnn.activations import ACTIVATIONS
from fastnn.backends import BACKENDS
from fastnn.bench.threads import set_environment
from fastnn.optimizers import OPTIMIZERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn compare``."""
    # fmt: off
    parser.add_argument("--sizes", nargs="+", type=int, default=[784, 128, 10], metavar="N",
                        help="features, units of each hidden layer, outputs (default: 784 128 10)")
    parser.add_argument("--batch", type=int, default=128, metavar="N", help="samples a step (default: 128)")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="default: float32")
    parser.add_argument("--threads", type=int, metavar="N", help="threads (default: one a core)")
    parser.add_argument("--activation", default="relu", metavar="NAME",
                        help=f"of the hidden layers (default: relu): {', '.join(ACTIVATIONS)}")
    parser.add_argument("--optimizer", default="adam", metavar="NAME",
                        help=f"default: adam; one of {', '.join(OPTIMIZERS)}")
    parser.add_argument("--steps", type=int, default=5, metavar="N", help="training steps (default: 5)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of weights and data (default: 0)")
    parser.add_argument("--backends", nargs=2, default=["numpy", "numba"], metavar="NAME",
                        help=f"the reference and the other (default: numpy numba): {', '.join(BACKENDS)}")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    # fmt: on


def run(args: argparse.Namespace) -> int:
    """Compare and print; 1 if a bit differs."""
    if args.threads is not None and args.threads > 0:
        set_environment(args.threads)
    # Numba reads the number of threads when it is first imported, which `compare` may do
    from fastnn.comparison import compare

    result = compare(
        args.sizes, args.batch, args.dtype, activation=args.activation, optimizer=args.optimizer,
        steps=args.steps, seed=args.seed, threads=args.threads, backends=args.backends,
    )  # fmt: skip
    print(json.dumps(result.to_dict(), indent=2) if args.json else result)
    return 0 if result.identical else 1
