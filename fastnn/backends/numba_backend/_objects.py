"""Machine code of ops: kept on disk as object files, loaded with llvmlite alone.

Numba is needed to compile an op, not to run it: importing it takes three times as long as everything else that a
small training does. So ops found on disk are linked into the process by LLVM, and a process that finds all it needs
never imports Numba. A file holds its whole key and a checksum: one that is cut, damaged or of another key counts as
absent.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

MAGIC = b"fastnn op 1\n"

_LOCK = threading.Lock()


def symbol_of(key: str) -> str:
    """Return the name of an op's machine code: one for each key, whatever the length."""
    return "fastnn_" + hashlib.sha256(key.encode()).hexdigest()[:32]


@functools.cache
def compiler_stamp() -> str:
    """Return what tells compilers apart: the versions of llvmlite and, without importing it, of Numba."""
    found = importlib.util.find_spec("numba")
    version = b""
    if found is not None and found.origin is not None:
        with contextlib.suppress(OSError):
            version = Path(found.origin).with_name("_version.py").read_bytes()
    return f"llvmlite {llvmlite.__version__} numba {hashlib.sha256(version).hexdigest()[:16]}"


def path_of(folder: Path, key: str) -> Path:
    """Return where the machine code of a key lies."""
    return folder / f"{symbol_of(key)}.o"


def read(folder: Path, key: str) -> bytes | None:
    """Return the machine code of a key, or None where there is none that is whole."""
    try:
        text = path_of(folder, key).read_bytes()
    except OSError:
        return None
    head = MAGIC + key.encode() + b"\n"
    checksum, code = text[len(head) : len(head) + 32], text[len(head) + 32 :]
    return code if text.startswith(head) and hashlib.sha256(head + code).digest() == checksum else None


def write(folder: Path, key: str, code: bytes) -> None:
    """Keep the machine code of a key; where that cannot be, the op is compiled again next time."""
    head = MAGIC + key.encode() + b"\n"
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=folder, suffix=f".{os.getpid()}.tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(head + hashlib.sha256(head + code).digest() + code)
            os.replace(name, path_of(folder, key))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


@functools.cache
def _engine() -> Any:
    """Return LLVM's linker of this process; it compiles nothing."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def load(code: bytes, symbol: str) -> int:
    """Link machine code into the process and return the address of ``symbol`` in it; it stays for good."""
    with _LOCK:
        engine = _engine()
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        return int(engine.get_function_address(symbol))


OP_ARGUMENTS = 5
"""Every op takes as many int64; in a program: address of the context, address of its record, two positions, address of
scratch."""

CALL = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * OP_ARGUMENTS)
"""What an op looks like to Python; a call releases the GIL."""
