"""``fastnn bench``: its arguments and what it does with them.

Without a name it fills the table; with one it runs that study of ``fastnn.bench.studies``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fastnn.bench import studies
from fastnn.bench.peers import SYSTEMS
from fastnn.bench.studies.findings import Settings
from fastnn.bench.table import run
from fastnn.bench.workloads import WORKLOADS
from fastnn.errors import InvalidValueError
from fastnn.optional import require


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn bench`` to ``parser``."""
    rows, systems = [w.name for w in WORKLOADS], list(SYSTEMS)
    about = "; ".join(f"{name}: {summary}" for name, summary in studies.STUDIES.items())
    # fmt: off
    parser.add_argument("study", nargs="?", metavar="STUDY", choices=list(studies.STUDIES),
                        help=f"a study instead of the table. {about}")
    parser.add_argument("--rows", nargs="+", metavar="ROW",
                        help=f"rows to measure (default: all): {', '.join(rows)}; of a study, its own")
    parser.add_argument("--systems", nargs="+", metavar="SYSTEM",
                        help=f"systems to measure (default: the usual ones): {', '.join(systems)}; of a study, its own")
    parser.add_argument("--threads", type=int, metavar="N",
                        help="threads for every system (default: 2; for the study of threads the most, one a core)")
    parser.add_argument("--turns", type=int, help="turns a system, the best counts (default: 9, quick 2)")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32",
                        help="of a study of networks (default: float32)")
    parser.add_argument("--size", type=float, metavar="GB", help="data of the study of scale (default: 4)")
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
    result, code = (_study if args.study else _table)(args)
    if "-" not in (args.json, args.markdown):
        print(result.to_text())
    if args.json:
        _write(args.json, json.dumps(result.to_dict(), indent=2) + "\n")
    if args.markdown:
        _write(args.markdown, result.to_markdown())
    if args.plot:
        result.plot(args.plot)
    return code


def _progress(part: str) -> None:
    print(f"measuring {part} ...", file=sys.stderr, flush=True)


def _table(args: argparse.Namespace) -> tuple[Any, int]:
    result = run(
        rows=args.rows, systems=args.systems, threads=2 if args.threads is None else args.threads,
        quick=args.quick, turns=args.turns, progress=_progress,
    )  # fmt: skip
    return result, 0 if result.passed else 1


def _study(args: argparse.Namespace) -> tuple[Any, int]:
    if any(count is not None and count < 1 for count in (args.threads, args.turns)):
        raise InvalidValueError(f"got threads={args.threads}, turns={args.turns}; both must be at least 1")
    findings = studies.load(args.study).measure(
        Settings(
            threads=args.threads, turns=args.turns, quick=args.quick, systems=args.systems, rows=args.rows,
            dtype=args.dtype, size=args.size, progress=_progress,
        )
    )  # fmt: skip
    return findings, 1 if findings.failures else 0


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
