"""Data flows one way: a file imports only from its own floor and the floors below.

``FLOORS`` is the whole order, bottom first; a new file or folder of the package must be given a floor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastnn

PACKAGE = Path(fastnn.__file__).parent

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "contract"),
    ("registry", "optional", "interrupt", "folders", "lazy"),
    ("formulas",),
    ("random", "tracing", "activations", "losses", "optimizers", "regularizers"),
    ("schedules", "metrics", "plan", "validation", "sequences"),
    ("backends.protocol",),
    ("backends.numpy_backend",),
    ("backends.numba_backend",),
    ("backends",),
    ("initializers",),
    ("layers",),
    ("callbacks", "training"),
    ("files",),
    ("models",),
    ("tutorial", "plots", "estimators"),
    ("exchange",),
    ("search",),
    ("tabular",),
    ("bench", "warmup"),
    ("comparison",),
    ("cli",),
    ("__main__", "__init__"),
)

BESIDE = {
    ("training.history", "plots"): "History.plot() is a convenience; the plot reads the history",
    ("models.learning_rate_finder", "plots"): "the same for LearningRateSweep.plot()",
    ("models.sequential", "exchange"): "model.export_onnx() is a convenience; the exporter reads the model",
}
"""Imports that go up, and why."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def floor_of(module: str) -> int:
    """Return the number of a module's floor: that of its longest prefix in the table."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        for number, floor in enumerate(FLOORS):
            if prefix in floor:
                return number
    raise AssertionError(f"fastnn.{module} has no floor in FLOORS")


def imports(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and module, without ``fastnn.``, of all imports of the package; type checking counts too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floor"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("fastnn."):
                yield node.lineno, name.removeprefix("fastnn.")


def upward(module: str, text: str) -> list[str]:
    """Return the imports of a module that go up."""
    wrong = []
    for line, target in imports(text):
        if target.split(".")[0] == "__version__":
            continue
        beside = any(module == here and target.startswith(there) for here, there in BESIDE)
        if floor_of(target) > floor_of(module) and not beside:
            wrong.append(f"fastnn.{module}:{line} imports fastnn.{target}, from a floor above")
    return wrong


FILES = sorted(path for path in PACKAGE.rglob("*.py") if PACKAGE / "bench" / "scripts" not in path.parents)
"""All but the programs that the benchmark runs, which use the package from outside, as people do."""


@pytest.mark.parametrize("path", FILES, ids=lambda p: module_of(p) or "fastnn")
def test_imports_go_down(path):
    module = module_of(path)
    assert not upward(module, path.read_text())


def test_an_import_that_goes_up_is_seen():
    assert upward("formulas.exponential", "from fastnn.models import Sequential")
    assert upward("losses.huber", "def f():\n    import fastnn.plan.plan")
    assert upward("backends.numpy_backend.dense", "from fastnn.backends import numba_backend")
    assert upward("plan.plan", "from fastnn.backends.protocol import Backend")
    assert not upward("models.sequential", "from fastnn.plan import Plan\nfrom fastnn.models import summary")
    with pytest.raises(AssertionError, match="no floor"):
        floor_of("helpers.thing")


def test_every_exception_is_used():
    for here, there in BESIDE:
        path = PACKAGE / (here.replace(".", "/") + ".py")
        assert any(target.startswith(there) for _, target in imports(path.read_text()))
