"""Exceptions that users can catch, and the wording they share: what was got, what is accepted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FastnnError(Exception):
    """Base class of every exception that fastnn raises on purpose."""


class InvalidValueError(FastnnError, ValueError):
    """An argument has the right type and a value that is not accepted (shape, range, NaN)."""


class InvalidTypeError(FastnnError, TypeError):
    """An argument has a type that is not accepted."""


class UnknownNameError(InvalidValueError):
    """A name is not in a registry (an activation, a loss, a backend, ...)."""


class UnavailableError(FastnnError, RuntimeError):
    """What is asked for cannot work in this process: a backend whose compiler is switched off."""


class NotBuiltError(FastnnError, RuntimeError):
    """A model is asked for something that exists only once it is built or compiled."""


class MissingPackageError(FastnnError, ImportError):
    """An optional package is not installed; the message says what installs it."""


class FileFormatError(FastnnError, ValueError):
    """A file is damaged, of another format, or says what no model can be; nothing of it is used."""


class FileWriteError(FastnnError, OSError):
    """The system refused to write a file; ``errno`` and ``filename`` as of any ``OSError``."""


def unknown_name(kind: str, got: object, accepted: Iterable[str]) -> UnknownNameError:
    """Return the error for a name that no registry holds, with the nearest accepted one.

    Examples
    --------
    >>> print(unknown_name("activation", "rellu", ["relu", "tanh"]))
    no activation 'rellu'; did you mean 'relu'? accepted: relu, tanh
    """
    names = sorted(accepted)
    near = difflib.get_close_matches(str(got), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UnknownNameError(f"no {kind} {got!r}; {hint}accepted: {', '.join(names)}")
