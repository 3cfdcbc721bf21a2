"""``fastnn search``: hyperparameters for a table, ranked by the validation rows."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable
from typing import Any

from fastnn.cli.table_arguments import add_table_arguments, output_folder, prepared
from fastnn.errors import InvalidValueError, unknown_name
from fastnn.files import write_durably
from fastnn.models.mlp import MLPBuilder
from fastnn.optional import installed
from fastnn.plots import new_figure
from fastnn.search import STRATEGIES, Range, SearchResults, search
from fastnn.search.space import Space

RESULTS, TABLE = "results.jsonl", "results.csv"
COORDINATES, HEAT_MAP = "coordinates.png", "heat-map.png"

PARAMETERS: dict[str, tuple[type, str, bool, list[Any] | Range | None]] = {
    "learning_rate": (float, "of the optimizer", True, Range(1e-4, 1e-1, log=True)),
    "batch_size": (int, "samples a step", True, [16, 32, 64, 128]),
    "depth": (int, "hidden layers", False, [1, 2, 3]),
    "width": (int, "units of each", True, Range(16, 256, log=True)),
    "activation": (str, "of the hidden layers", False, ["relu", "tanh"]),
    "dropout": (float, "after each hidden layer", False, [0.0, 0.2]),
    "l1": (float, "penalty on weights", True, None),
    "l2": (float, "penalty on their squares", True, [0.0, 1e-4]),
    "optimizer": (str, "its name", False, None),
}
"""Type, help, whether ranges are logarithmic, and what is searched by default: nothing for None."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn search``."""
    add_table_arguments(parser)
    # fmt: off
    parser.add_argument("--strategy", choices=list(STRATEGIES), default="random", help="default: random")
    parser.add_argument("--trials", type=int, metavar="N", help="of random and halving (default: 20 and 27)")
    parser.add_argument("--epochs", type=int, default=30, metavar="N",
                        help="of each trial; of halving's last round (default: 30)")
    parser.add_argument("--metric", default="val_loss", metavar="NAME",
                        help="to rank by, after the last epoch (default: val_loss; also val_accuracy)")
    parser.add_argument("--workers", type=int, metavar="N",
                        help="trials side by side, which changes no bit (default: one a core, with joblib)")
    parser.add_argument("--output", default="fastnn-search", metavar="FOLDER",
                        help=f"for {RESULTS}, from which a search that was ended goes on, {TABLE} and two pictures "
                             "(default: fastnn-search)")
    parser.add_argument("--heat-map", nargs=2, metavar="PARAMETER",
                        help="what it shows (default: the first two that vary)")
    space = parser.add_argument_group("what is searched", "values, as 1 2 3, or a range, as 1e-4..1e-1")
    for name, (_, about, log, default) in PARAMETERS.items():
        if isinstance(default, Range):
            shown = f"{default.low:g}..{default.high:g}"
        else:
            shown = "not searched" if default is None else " ".join(map(str, default))
        scale = ", ranges by factors" if log else ""
        space.add_argument(f"--{name.replace('_', '-')}", nargs="+", metavar="VALUE", dest=f"space_{name}",
                           help=f"{about}{scale} (default: {shown})")
    # fmt: on


def space_of(args: argparse.Namespace) -> Space:
    """Return the space that the options describe: those given, and but for a grid the others' defaults."""
    found: dict[str, list[Any] | Range] = {}
    for name, (kind, _, log, default) in PARAMETERS.items():
        given = getattr(args, f"space_{name}")
        if given is not None:
            found[name] = _values(f"--{name.replace('_', '-')}", given, kind, log)
        elif args.strategy != "grid" and default is not None:
            found[name] = default
    if not found:
        raise InvalidValueError("a grid needs the values to try, for example --learning-rate 0.01 0.001 --width 32 128")
    return found


def _values(option: str, texts: list[str], kind: type, log: bool) -> list[Any] | Range:
    def number(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise InvalidValueError(
                f"{option} takes values such as {'8 16' if kind is int else '0.01 0.1'} or a range such as "
                f"{'8..64' if kind is int else '0.01..0.1'}, got {text!r}"
            ) from None

    if len(texts) == 1 and ".." in texts[0] and kind is not str:
        low, _, high = texts[0].partition("..")
        return Range(number(low), number(high), log=log)
    return [number(text) for text in texts]


def run(args: argparse.Namespace) -> int:
    """Search, print the table, write everything; 1 if every trial failed."""
    space = space_of(args)
    for name in args.heat_map or ():
        if name.replace("-", "_") not in space:
            raise unknown_name("searched parameter", name, space)
    job = prepared(args)
    folder = output_folder(args.output)
    workers = args.workers or ((os.cpu_count() or 1) if installed("joblib") else 1)
    for note in job.notes:
        print(f"note: {note}")
    x, y = job.part(job.split.train)
    found = search(space, x, y, build=MLPBuilder(job.target.task, job.target.outputs), strategy=args.strategy,
                   trials=args.trials, epochs=args.epochs, metric=args.metric, seed=args.seed, workers=workers,
                   validation_data=job.part(job.split.validation), results=folder / RESULTS, backend=args.backend,
                   on_result=_reporter(args.metric))  # fmt: skip
    print(f"\n{found.table()}\n")
    write_durably(folder / TABLE, [found.csv().encode()])
    written = [TABLE, *_pictures(found, folder, args)]
    print(f"wrote {', '.join(str(folder / name) for name in written)}; the same line goes on from {folder / RESULTS}")
    best = found.rows[0]
    if best["status"] != "ok":
        print(f"every trial failed, the first one with: {best['error']}")
        return 1
    print(f"the best one, until its validation loss no longer falls:\n  {_train_line(args, best['parameters'])}")
    return 0


def _reporter(metric: str) -> Callable[[dict[str, Any]], None]:
    def show(row: dict[str, Any]) -> None:
        score = f"{metric} {row['score']:.4g}" if row["status"] == "ok" else f"{row['status']}: {row['error']}"
        print(f"trial {row['trial']}, {row['epochs']} epochs, {row['seconds']:.1f} s: {score}", flush=True)

    return show


def _pictures(found: SearchResults, folder: Any, args: argparse.Namespace) -> list[str]:
    """Write the pictures that can be drawn, and return their names."""
    scored = [row for row in found.rows if row["status"] == "ok"]
    if not installed("matplotlib") or len(scored) < 2:
        return []
    figure = new_figure()
    found.plot_coordinates(figure=figure)
    figure.savefig(folder / COORDINATES, dpi=120)
    varying = [name for name in scored[0]["parameters"] if len({str(row["parameters"][name]) for row in scored}) > 1]
    names = args.heat_map or varying[:2]
    if len(names) < 2:
        return [COORDINATES]
    figure = new_figure()
    found.plot_heat_map(*(name.replace("-", "_") for name in names), figure=figure)
    figure.savefig(folder / HEAT_MAP, dpi=120)
    return [COORDINATES, HEAT_MAP]


def _train_line(args: argparse.Namespace, parameters: dict[str, Any]) -> str:
    """Return the ``fastnn train`` command with a trial's parameters."""
    words = ["fastnn", "train", args.data, "--target", args.target]
    for option, value in (("--task", args.task), ("--impute", args.impute), ("--delimiter", args.delimiter)):
        words += [option, value] if value is not None else []
    for option, values in (("--drop", args.drop), ("--categorical", args.categorical)):
        words += [option, *values] if values else []
    for name, default in (("test", 0.2), ("validation", 0.2), ("seed", 0)):
        words += [f"--{name}", str(getattr(args, name))] if getattr(args, name) != default else []
    words += ["--hidden", *[str(parameters.get("width", 64))] * parameters.get("depth", 1)]
    for name, value in parameters.items():
        if name not in ("width", "depth") and value != 0:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)
