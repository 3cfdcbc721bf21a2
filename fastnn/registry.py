"""A named table of things of one kind (activations, losses, optimizers, ...).

Tests, benchmarks, the command line and serialisation walk the tables, so a new entry is picked up by all of
them at once. A table fills itself when it is first read, by importing every module of its package: to
add an entry is to add a file.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

from fastnn.errors import unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries of one kind by name, in alphabetical order.

    Parameters
    ----------
    kind : str
        What an entry is called in error messages.
    package : str
        The package whose modules register the entries.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, T] = {}
        self._loaded = self._loading = False
        self._lock = threading.RLock()

    def register(self, name: str, entry: T) -> T:
        """Add ``entry`` under ``name``; a name can be taken once."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def _load(self) -> None:
        if self._loaded:
            return
        with self._lock:  # a second thread waits until all entries are there
            if self._loaded or self._loading:  # a module that is being imported may read what there is
                return
            self._loading = True
            try:
                package = importlib.import_module(self._package)
                for module in pkgutil.iter_modules(package.__path__):
                    importlib.import_module(f"{self._package}.{module.name}")
            finally:
                self._loading = False
            self._loaded = True

    def __getitem__(self, name: str) -> T:
        self._load()
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise unknown_name(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._load()
        return len(self._entries)
