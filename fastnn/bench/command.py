"""``fastnn bench``: its arguments and what it does with them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fastnn.bench.peers import SYSTEMS
from fastnn.bench.table import run
from fastnn.bench.workloads import WORKLOADS
from fastnn.errors import InvalidValueError
from fastnn.optional import require


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn bench`` to ``parser``."""
    rows, systems = [w.name for w in WORKLOADS], list(SYSTEMS)
    # fmt: off
    parser.add_argument("--rows", nargs="+", metavar="ROW", choices=rows,
                        help=f"rows to measure (default: all): {', '.join(rows)}")
    parser.add_argument("--systems", nargs="+", metavar="SYSTEM", choices=systems,
                        help=f"systems to measure (default: the usual ones): {', '.join(systems)}")
    parser.add_argument("--threads", type=int, default=2, help="threads for every system (default: 2)")
    parser.add_argument("--turns", type=int, help="turns a system, the best counts (default: 9, quick 2)")
    parser.add_argument("--quick", action="store_true", help="short turns: that it runs, not how fast")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON ('-': standard output)")
    parser.add_argument("--markdown", metavar="FILE", help="write the table in Markdown ('-' as above)")
    parser.add_argument("--plot", metavar="FILE", help="draw the ratios as a PNG (needs matplotlib)")
    # fmt: on


def main(args: argparse.Namespace) -> int:
    """Measure and print; return the exit code (0: measured, 1: some system's result differs).

    Raises
    ------
    InvalidValueError, MissingPackageError
        Before anything is measured, if a file cannot go where it shall, or matplotlib is wanted and missing.
    """
    for option in ("json", "markdown", "plot"):
        target = getattr(args, option)
        if target and target != "-" and (not Path(target).parent.is_dir() or Path(target).is_dir()):
            raise InvalidValueError(f"--{option} must name a file in a folder that exists, got {target!r}")
    if args.plot:
        require("matplotlib", purpose="fastnn bench --plot")
    result = run(
        rows=args.rows, systems=args.systems, threads=args.threads, quick=args.quick, turns=args.turns,
        progress=lambda name: print(f"measuring {name} ...", file=sys.stderr, flush=True),
    )  # fmt: skip
    if "-" not in (args.json, args.markdown):
        print(result.to_text())
    if args.json:
        _write(args.json, json.dumps(result.to_dict(), indent=2) + "\n")
    if args.markdown:
        _write(args.markdown, result.to_markdown())
    if args.plot:
        result.plot(args.plot)
    return 0 if all(e.agrees for row in result.rows for e in row.entries.values()) else 1


def _write(target: str, text: str) -> None:
    if target == "-":
        sys.stdout.write(text)
    else:
        Path(target).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    # The console script calls main() through fastnn.cli; this serves `python -m fastnn.bench.command`.
    parser = argparse.ArgumentParser(prog="fastnn bench")
    add_arguments(parser)
    raise SystemExit(main(parser.parse_args()))
