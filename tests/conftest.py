"""Settings of every test: at least two threads to share work, and what happens where the JIT is off.

With ``NUMBA_DISABLE_JIT=1`` the Numba backend does not exist (it raises when imported): files that need it
are not collected and tests marked ``needs_jit`` are deselected, both counted in the header. Nothing is
skipped otherwise.
"""

from __future__ import annotations

import ast
import os
import signal
from pathlib import Path

import pytest

# at least two threads; side by side with other workers of pytest just two, whatever their parent chose for itself
if os.environ.get("NUMBA_NUM_THREADS") in (None, os.environ.get("THREADS_CHOSEN_BY_TESTS")):
    THREADS = 2 if "PYTEST_XDIST_WORKER" in os.environ else max(2, os.cpu_count() or 1)
    os.environ["NUMBA_NUM_THREADS"] = os.environ["THREADS_CHOSEN_BY_TESTS"] = str(THREADS)
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # read when SciPy is imported: one of scikit-learn's checks needs it

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell's background job starts deaf to Ctrl-C, and so would the tests of it
    signal.signal(signal.SIGINT, signal.default_int_handler)

NO_JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def needs_jit(path: Path) -> bool:
    """Return whether a file of tests imports compiled code, or a sibling that does, as it is imported."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            sibling = path.with_name(name.split(".")[0] + ".py")
            if name.split(".")[0] == "numba" or "numba_backend" in name.split("."):
                return True
            if sibling.exists() and needs_jit(sibling):
                return True
    return False


NEED_JIT = [path.name for path in sorted(Path(__file__).parent.glob("test_*.py")) if needs_jit(path)]
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
