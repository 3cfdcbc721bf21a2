"""Folders that files are to lie in: made before the work whose results they take."""

from __future__ import annotations

import errno
import os

from fastnn.errors import FileWriteError


def make_folder_for(path: str | os.PathLike[str]) -> None:
    """Make the folder of a file, and those above it, where they do not exist; they survive a power failure.

    Parameters
    ----------
    path : path
        Of the file, which is not touched.

    Raises
    ------
    FileWriteError
        If a folder cannot be made, or no file can be made in it.
    """
    folder = os.path.dirname(os.path.realpath(os.fspath(path)))
    missing = []
    above = folder
    while not os.path.lexists(above):
        missing.append(above)
        above = os.path.dirname(above)
    try:
        for each in reversed(missing):
            os.makedirs(each, exist_ok=True)  # another process may have been faster
            flush_folder(os.path.dirname(each))
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise FileWriteError(error.errno, f"no file can be made there: {error.strerror}", os.fspath(path)) from error


def flush_folder(folder: str) -> None:
    """Make a rename in a folder survive a power failure."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
