"""Studies: questions about speed that one row of the table does not answer, one file each.

A file offers ``SUMMARY``, ``measure(settings) -> Findings`` and ``draw(findings, figure)``, which puts the findings
into an empty figure of matplotlib. ``fastnn bench NAME`` runs one.
"""

from __future__ import annotations

import importlib
from typing import Any

STUDIES: dict[str, str] = {
    "start": "what one waits for: imports, and whole programs with and without compiled code on disk",
}
"""Names of the studies, which are those of their files, and what each asks."""


def load(name: str) -> Any:
    """Return a study's module."""
    return importlib.import_module(f"fastnn.bench.studies.{name}")
