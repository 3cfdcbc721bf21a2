"""Optional packages: imported where they are used, and a clear word on what to install if one is missing."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from fastnn.errors import MissingPackageError

EXTRAS = {
    "matplotlib": "plot",
    "sklearn": "sklearn",
    "tqdm": "progress",
    "joblib": "search",
    "pandas": "table",
    "pyarrow": "table",
    "tensorboardX": "tensorboard",
    "scipy": "scipy",
    "onnx": "onnx",
    "torch": "torch",
    "h5py": "keras",
}
"""Package as it is imported, and the extra of fastnn that brings it."""


def installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def require(*packages: str, purpose: str) -> None:
    """Raise an error if one of the packages is missing.

    Parameters
    ----------
    packages : str
        Keys of ``EXTRAS``.
    purpose : str
        What needs them: ``"fastnn demo"``.

    Raises
    ------
    MissingPackageError
        The message names all that are missing and one command that installs them.
    """
    missing = [package for package in packages if not installed(package)]
    if missing:
        extras = ",".join(sorted(EXTRAS[package] for package in missing))
        raise MissingPackageError(f"{purpose} needs {' and '.join(missing)}: pip install 'fastnn[{extras}]'")


def load(module: str, *, purpose: str) -> ModuleType:
    """Import a module of an optional package, or raise the error of ``require``."""
    require(module.partition(".")[0], purpose=purpose)
    return importlib.import_module(module)
