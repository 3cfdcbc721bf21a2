"""Where a demo's pictures go: what ``--output`` names, and files beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastnn.errors import InvalidValueError


def picture(args: argparse.Namespace) -> Path:
    """Return where the first picture goes, or raise an error before any work if it cannot go there."""
    output = Path(f"fastnn-{args.demo}.png" if args.output is None else args.output)
    if not output.parent.is_dir() or output.is_dir():
        raise InvalidValueError(f"--output must name a file in a folder that exists, got {args.output!r}")
    return output


def beside(output: Path, name: str) -> Path:
    """Return where a further picture goes: ``fastnn-cnn.png`` and ``filters`` give ``fastnn-cnn-filters.png``."""
    return output.with_name(f"{output.stem}-{name}{output.suffix}")
