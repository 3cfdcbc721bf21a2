"""The console script ``fastnn``: one file per command, each with ``add_arguments(parser)`` and ``run(args)``.

Exit codes: 0 all well; 1 the command ran and what it checks does not hold (bits differ); 2 it could not run,
said in one line on standard error. Numba is imported by the commands that compute, never for ``--help``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType

import fastnn
from fastnn.cli import bench, compare, demo, info, predict, search, train, warmup
from fastnn.errors import FastnnError

COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "demo": (demo, "train networks on real data, see them work, and compare every bit of both backends"),
    "train": (train, "a table in a file: train a network on it, with report, model and predictions"),
    "predict": (predict, "what a trained model says about a new table"),
    "search": (search, "find hyperparameters for a table: grid, random, successive halving"),
    "compare": (compare, "run one network on both backends: same bits? how fast?"),
    "bench": (bench, "measure fastnn beside NumPy, PyTorch, JAX, scikit-learn and onnxruntime"),
    "warmup": (warmup, "compile ahead what networks need, so that the first training starts at once"),
    "info": (info, "versions, threads, CPU features, cache, and a check of the arithmetic"),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="fastnn", description="Neural networks on the CPU, with every bit of the result defined."
    )
    top.add_argument("--version", action="version", version=f"fastnn {fastnn.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        description = f"{summary[0].upper()}{summary[1:]}"
        command = commands.add_parser(name, help=summary, description=description)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; those of the process by default.
    """
    top = parser()
    args = top.parse_args(arguments)
    args.argv = list(sys.argv[1:] if arguments is None else arguments)
    if not hasattr(args, "run"):
        top.print_help()
        return 0
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except FastnnError as error:
        print(f"fastnn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastnn: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of a pipe has gone (`fastnn info | head -1`); spare the interpreter's flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as of whatever SIGPIPE ends: a training has not written its model
