"""Durable writes: after a crash or a power failure at any moment, a file is the old one or the new one.

A temporary file in the same folder is written, flushed to the disk, renamed onto the path, and the folder is flushed.
Temporary files are locked while they are written, so that what a killed process left is known and removed by the next
write to the same path. Source: Pillai et al., All file systems are not created equal, OSDI 2014, section 2.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable
from typing import Any

from fastnn.errors import FileWriteError
from fastnn.folders import flush_folder

try:
    import fcntl
except ImportError:  # not on Windows, where nothing is cleaned up after killed processes
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".tmp"


def write_durably(path: str | os.PathLike[str], parts: Iterable[Any]) -> None:
    """Replace a file by what the parts hold, one after another.

    Parameters
    ----------
    path : path
        A link is followed.
    parts : iterable of buffers

    Raises
    ------
    FileWriteError
        If the system refuses a call. The file is then as it was, but for a folder that cannot be flushed: then the new
        file is there, and the message says that a power failure may undo it.
    """
    target = os.path.realpath(os.fspath(path))
    folder, name = os.path.split(target)
    temporary = None
    try:
        _remove_leftovers(folder, name)
        temporary, descriptor = _new_file(folder, name)
        try:
            for part in parts:
                _write_all(descriptor, memoryview(part).cast("B"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise FileWriteError(error.errno, f"could not write, nothing is changed: {error.strerror}",
                                 os.fspath(path)) from error  # fmt: skip
        raise
    try:
        flush_folder(folder)
    except OSError as error:
        raise FileWriteError(error.errno, "written, but its folder could not be flushed, so that a power failure may"
                             f" bring the old file back: {error.strerror}", os.fspath(path)) from error  # fmt: skip


def _new_file(folder: str, name: str) -> tuple[str, int]:
    """Return the path and the descriptor of a new temporary file that this process holds locked."""
    while True:
        path = os.path.join(folder, f".{name}.{os.urandom(6).hex()}{_SUFFIX}")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
                             | getattr(os, "O_BINARY", 0), 0o666)  # fmt: skip
        if fcntl is None:
            return path, descriptor
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.exists(path):
            return path, descriptor
        os.close(descriptor)  # taken for a leftover between the two calls


def _write_all(descriptor: int, view: memoryview) -> None:
    """Write a buffer, in as many calls as the system makes of it."""
    while view:
        view = view[os.write(descriptor, view) :]


def _remove_leftovers(folder: str, name: str) -> None:
    """Remove temporary files of this path whose writers were killed: those that nobody holds locked."""
    if fcntl is None:
        return
    for path in glob.glob(os.path.join(glob.escape(folder), f".{glob.escape(name)}.*{_SUFFIX}")):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_WRONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(descriptor)
