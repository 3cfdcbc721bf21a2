"""Names of a package that are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

Lazy = tuple[Callable[[str], Any], Callable[[], list[str]]]


def lazy_names(namespace: dict[str, Any], homes: Mapping[str, str]) -> Lazy:
    """Return what a package sets as its ``__getattr__`` and ``__dir__`` (PEP 562).

    Parameters
    ----------
    namespace : dict
        The package's ``globals()``; a name imported is written there, so that it is asked for once.
    homes : mapping of str to str
        Public names and the modules of the package that define them.
    """
    package = namespace["__name__"]

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        namespace[name] = value
        return value

    def names() -> list[str]:
        return sorted({*namespace, *homes})

    return get, names
