"""The source keeps the contract: no BLAS, no NumPy reductions, one place that compiles, lean imports.

Rules 2 to 7 of ``fastnn.contract`` are checked on the syntax trees of the package. What is exempt is named
in ``EXEMPT`` with the reason, and a reason without a use fails too.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastnn

PACKAGE = Path(fastnn.__file__).parent

NUMPY = frozenset(
    [
        "dot",
        "vdot",
        "inner",
        "matmul",
        "tensordot",
        "einsum",
        "kron",
        "convolve",
        "correlate",
        "linalg",
        "fft",
        "random",
        "polyfit",
        "polyval",
        "interp",
        "sum",
        "nansum",
        "mean",
        "nanmean",
        "average",
        "median",
        "std",
        "nanstd",
        "var",
        "nanvar",
        "prod",
        "nanprod",
        "cumsum",
        "cumprod",
        "trace",
        "trapezoid",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "logaddexp",
        "logaddexp2",
        "power",
        "float_power",
        "pow",
        "cbrt",
        "hypot",
        "sinc",
        "i0",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "arctan2",
        "asin",
        "acos",
        "atan",
        "atan2",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "asinh",
        "acosh",
        "atanh",
    ]
)
"""Functions of NumPy whose bits depend on the CPU, the build or the BLAS."""

METHODS = frozenset(["dot", "sum", "mean", "std", "var", "prod", "cumsum", "cumprod", "trace"])
"""Methods of arrays, for the same reason."""

MATH = frozenset(
    [
        "isfinite",
        "isnan",
        "isinf",
        "inf",
        "nan",
        "floor",
        "ceil",
        "trunc",
        "gcd",
        "lcm",
        "comb",
        "isqrt",
        "prod",
        "copysign",
        "ldexp",
        "frexp",
    ]
)
"""What ``math`` may be asked for: exact everywhere. The rest comes from the platform's C library."""

BENCH = "measures and plots, and runs other libraries; nothing of it is a result of fastnn"
COUNTS = "adds whole numbers: sizes and counts"
EXEMPT: dict[str, str] = {
    "bench/:*": BENCH,
    "backends/numba_backend/_convolution_matches.py:.sum()": "bits of a whole number, one for each tap",
    "backends/numba_backend/lowering.py:sum()": "an estimate of work, which decides on a launch alone",
    "backends/numba_backend/network.py:sum()": COUNTS,
    "cli/demos/autoencoder.py:*": "errors, and a linear filter to compare with, printed",
    "cli/demos/cnn.py:.mean()": "a share of right answers, printed",
    "cli/demos/cnn.py:.sum()": "a number of wrong answers, printed",
    "cli/demos/digits.py:.mean()": "a share of right answers, printed",
    "cli/demos/rnn.py:.mean()": "shares of right answers and errors, printed",
    "comparison/bits.py:sum()": COUNTS,
    "comparison/bits.py:.sum()": COUNTS,
    "comparison/compare.py:np.linalg": "how far the textbook is off, printed",
    "estimators/inputs.py:scipy": "sparse matrices, made dense: no arithmetic",
    "models/saved.py:sum()": COUNTS,
    "models/summary.py:sum()": COUNTS,
    "plots/:*": "pictures; nothing of them is a result",
}
"""``path:what`` or ``path/:what`` for a folder, ``what`` as reported or ``*``, and why it is no result."""


def exact_power(node: ast.AST) -> bool:
    """Return whether a power is exact everywhere: of 2, or of whole numbers, by a whole number."""
    if not isinstance(node, ast.BinOp):
        return False
    whole = isinstance(node.left, ast.Constant) and (isinstance(node.left.value, int) or node.left.value == 2.0)
    return whole and not any(
        isinstance(n, ast.Div) or (isinstance(n, ast.Constant) and not isinstance(n.value, int))
        for n in ast.walk(node.right)
    )


def report(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything in a file that the contract forbids."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield node.lineno, "@"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            if not exact_power(node):
                yield node.lineno, "**"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("np", "numpy") and node.attr in NUMPY:
                yield node.lineno, f"np.{node.attr}"
            elif node.value.id == "math" and node.attr not in MATH:
                yield node.lineno, f"math.{node.attr}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            for name in [module, *(f"{module}.{a.name}" if module else a.name for a in node.names)]:
                if name.split(".")[0] in ("random", "scipy", "statistics", "cmath"):
                    yield node.lineno, name.split(".")[0]
                elif (name.startswith("math.") and name[5:] not in MATH) or (
                    name.startswith("numpy.") and name.split(".")[1] in NUMPY
                ):
                    yield node.lineno, name
        if isinstance(node, ast.Call):
            f = node.func
            if isinstance(f, ast.Attribute):
                root = f.value
                if f.attr == "reduce" and not (isinstance(root, ast.Name) and root.id == "functools"):
                    yield node.lineno, ".reduce()"
                elif f.attr in METHODS and not (isinstance(root, ast.Name) and root.id in ("np", "math")):
                    yield node.lineno, f".{f.attr}()"
            elif isinstance(f, ast.Name) and f.id == "sum":
                yield node.lineno, "sum()"


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def exemption(path: str, what: str) -> str | None:
    """Return the key of ``EXEMPT`` that lets a file use something."""
    for key in EXEMPT:
        where, allowed = key.rsplit(":", 1)
        if (path == where or (where.endswith("/") and path.startswith(where))) and allowed in ("*", what):
            return key
    return None


def violations() -> list[tuple[str, int, str]]:
    return [
        (relative(path), line, what)
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, what in sorted(set(report(path)))
    ]


def test_no_result_goes_through_forbidden_functions():
    wrong = [f"{path}:{line}: {what}" for path, line, what in violations() if not exemption(path, what)]
    assert not wrong, "\n".join(wrong)


def test_every_exemption_is_used():
    used = {exemption(path, what) for path, _, what in violations()}
    assert used - {None} == set(EXEMPT)
    assert all(reason for reason in EXEMPT.values())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("z = W @ A", "@"),
        ("z @= A", "@"),
        ("z = np.dot(W, A)", "np.dot"),
        ("z = numpy.einsum('ij,jk', W, A)", "np.einsum"),
        ("s = np.sum(x)", "np.sum"),
        ("s = x.sum(axis=0)", ".sum()"),
        ("s = (a * b).mean()", ".mean()"),
        ("s = np.add.reduce(x)", ".reduce()"),
        ("s = sum(x)", "sum()"),
        ("f = np.exp", "np.exp"),
        ("y = math.exp(x)", "math.exp"),
        ("from math import exp", "math.exp"),
        ("from numpy import tanh", "numpy.tanh"),
        ("from numpy.random import default_rng", "numpy.random"),
        ("y = x**2", "**"),
        ("y = x ** 0.5", "**"),
        ("y = 2.0 ** 0.5", "**"),
        ("y **= 2", "**"),
        ("r = np.random.default_rng(0)", "np.random"),
        ("import random", "random"),
        ("from scipy.special import erf", "scipy"),
    ],
)
def test_the_check_sees(tmp_path, text, what):
    path = tmp_path / "wrong.py"
    path.write_text(f"def f():\n    {text}\n")
    assert (2, what) in set(report(path))


def test_the_check_lets_pass(tmp_path):
    path = tmp_path / "right.py"
    path.write_text(
        "import functools, math\nfrom math import isfinite\nfrom fastnn import random\n"
        "y = 2**-24 + 2.0 ** (3 - k) + np.sqrt(x) + np.add.accumulate(x)[-1] + math.inf\n"
        "y += functools.reduce(f, x)\n"
    )
    assert not list(report(path))


COMPILERS = frozenset(["njit", "jit", "cfunc", "CFunc", "vectorize", "guvectorize", "stencil", "generated_jit"])


def test_only_one_file_compiles():
    saying = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = {getattr(node, "id", None), getattr(node, "attr", None)}
            if isinstance(node, ast.alias):
                names.add(node.name.rsplit(".", 1)[-1])
            if names & COMPILERS and not relative(path).startswith(("bench/peers/", "bench/scripts/")):
                saying.add(relative(path))
            if (isinstance(node, ast.Constant) and node.value == "fastmath") or getattr(node, "arg", "") == "fastmath":
                saying.add(relative(path))
    assert saying == {"backends/numba_backend/_jit.py"}


OPTIONAL = [
    "numba",
    "llvmlite",
    "scipy",
    "matplotlib",
    "tqdm",
    "rich",
    "sklearn",
    "torch",
    "jax",
    "onnx",
    "onnxruntime",
    "threadpoolctl",
    "mpmath",
    "IPython",
    "joblib",
    "dask",
    "optuna",
    "pandas",
    "pyarrow",
    "h5py",
]


def imported_by(statement: str) -> set[str]:
    """Return the optional packages that a statement imports, in a fresh process."""
    code = f"import sys; {statement}; print(*({set(OPTIONAL)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def modules() -> list[str]:
    """Return every module that has no business with Numba or an optional package."""
    names = [relative(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in
             sorted(PACKAGE.rglob("*.py"))]  # fmt: skip
    apart = ("backends.numba_backend", "bench.peers", "bench.scripts", "estimators", "exchange.torch_modules",
             "__main__", "__init__")  # fmt: skip
    return ["fastnn", *(f"fastnn.{name}" for name in names if not name.startswith(apart))]


def test_importing_pulls_in_nothing_optional():
    assert imported_by("import fastnn") == set()
    assert imported_by("import " + ", ".join(modules())) == set()


@pytest.mark.needs_jit
def test_the_numba_backend_imports_llvm_alone():
    assert imported_by("import fastnn.backends.numba_backend") == {"llvmlite"}


def test_the_import_check_sees():
    assert imported_by("import numba") >= {"numba", "llvmlite"}
