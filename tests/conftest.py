"""Settings of every test: at least two threads to share work, and what happens where the JIT is off.

With ``NUMBA_DISABLE_JIT=1`` the Numba backend does not exist (it raises when imported): files that need it are not
collected and tests marked ``needs_jit`` are deselected, both counted in the header. Nothing is skipped otherwise.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("NUMBA_NUM_THREADS", str(max(2, os.cpu_count() or 1)))

NO_JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")

NEED_JIT = [
    path.name
    for path in sorted(Path(__file__).parent.glob("test_*.py"))
    if any(
        line.startswith(
            ("from fastnn.backends.numba_backend", "import fastnn.backends.numba_backend", "import numba")
        )
        for line in path.read_text().splitlines()
    )
]
"""Files that cannot be imported without the JIT."""

collect_ignore = NEED_JIT if NO_JIT else []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_jit: runs compiled code; deselected under NUMBA_DISABLE_JIT=1")


def pytest_report_header() -> list[str]:
    return [f"no JIT: {len(NEED_JIT)} files are not collected: {', '.join(NEED_JIT)}"] if NO_JIT else []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if NO_JIT:
        out = [item for item in items if item.get_closest_marker("needs_jit")]
        if out:
            config.hook.pytest_deselected(items=out)
            items[:] = [item for item in items if not item.get_closest_marker("needs_jit")]
