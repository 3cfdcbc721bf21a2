"""Studies: questions about speed that one row of the table does not answer, one file each.

A file offers ``measure(settings) -> Findings`` and ``draw(findings, figure)``, which puts the findings
into an empty figure of matplotlib. ``fastnn bench NAME`` runs one.
"""

from __future__ import annotations

import importlib
from typing import Any

STUDIES: dict[str, str] = {
    "start": "what one waits for: imports, and whole programs with and without compiled code on disk",
    "width": "square layers from 16 to 2048 units: what share of the matrix product's rate is reached",
    "threads": "what more threads bring",
    "scale": "time a sample from a thousand rows to a million; memory of an epoch over data on disk",
}
"""Names of the studies, which are those of their files, and what each asks."""


def load(name: str) -> Any:
    """Return a study's module."""
    return importlib.import_module(f"fastnn.bench.studies.{name}")
