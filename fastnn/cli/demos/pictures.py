"""Where a demo's pictures go: what ``--output`` names, and files beside it."""

from __future__ import annotations

import argparse
import importlib
import io
from pathlib import Path
from typing import Any

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


def save_small(figure: Any, output: Path, dpi: int = 100) -> None:
    """Save a figure; as PNG with a palette of 64 colors, in a third of the space, for a repository."""
    if output.suffix.lower() != ".png":
        figure.savefig(output, dpi=dpi)
        return
    whole = io.BytesIO()
    figure.savefig(whole, format="png", dpi=dpi)
    image = importlib.import_module("PIL.Image").open(whole)  # Pillow is what matplotlib writes PNG with
    image.convert("RGB").quantize(64).save(output, optimize=True)
