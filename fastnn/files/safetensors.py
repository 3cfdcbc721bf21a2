"""The safetensors format: eight bytes of length, a JSON header, the tensors' bytes.

The header says of every tensor ``{"dtype": "F32", "shape": [3, 2], "data_offsets": [first, end]}``; the reserved key
``__metadata__`` maps strings to strings. Tensors cover what follows the header without gaps or overlaps. A file of ours
has ``sha256`` in its metadata: the digest of the header (without that entry, as canonical JSON) and of the data, so
that a damaged file is recognized. Source: https://github.com/huggingface/safetensors, section Format.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from fastnn.errors import FileFormatError, InvalidTypeError

Array = np.ndarray[Any, Any]

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
"""Names of element types in files, and NumPy's."""

MOST_HEADER = 100_000_000
"""Bytes of the longest header, as in the reference implementation."""

_METADATA = "__metadata__"
_NAMES = {np.dtype(found): name for name, found in DTYPES.items()}


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes
    ----------
    tensors : dict of ndarray
        Views of one buffer, read-only.
    metadata : dict of str
    size : int
        Bytes of the file.
    """

    tensors: dict[str, Array]
    metadata: dict[str, str]
    size: int


def safetensors_parts(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> list[Any]:
    """Return the buffers that make up a file, the digest added to the metadata.

    Raises
    ------
    InvalidTypeError
        If an array has a type that the format does not know.
    """
    entries: dict[str, Any] = {}
    buffers, end = [], 0
    for name, array in sorted(tensors.items(), key=lambda item: -item[1].itemsize):  # so that all are aligned
        little = array.dtype.newbyteorder("<") if array.dtype.kind in "iuf" else array.dtype
        if little not in _NAMES:
            raise InvalidTypeError(f"a file cannot hold {name}: an array of {array.dtype}; it takes numbers and bools")
        flat = np.ascontiguousarray(array, little)
        first, end = end, end + flat.nbytes
        entries[name] = {"dtype": _NAMES[little], "shape": list(array.shape), "data_offsets": [first, end]}
        buffers.append(flat.reshape(-1).view(np.uint8).data)
    header = {_METADATA: dict(metadata), **entries}
    header[_METADATA]["sha256"] = _digest(header, buffers)
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *buffers]


def _digest(header: Mapping[str, Any], buffers: list[Any]) -> str:
    """Return the digest of a header without its ``sha256``, and of the data."""
    metadata = {key: value for key, value in header[_METADATA].items() if key != "sha256"}
    text = json.dumps({**header, _METADATA: metadata}, separators=(",", ":"), sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for buffer in buffers:
        digest.update(buffer)
    return digest.hexdigest()


def read_safetensors(path: str | os.PathLike[str]) -> Contents:
    """Return what a file holds; memory and time are bounded by its size, and nothing in it is executed.

    Raises
    ------
    FileFormatError
        If it is no safetensors file, or damaged.
    OSError
        If it cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FileFormatError(f"{os.fspath(path)}: not a regular file")
    try:
        with open(path, "rb") as file:
            return _read(file)
    except FileFormatError as error:
        raise FileFormatError(f"{os.fspath(path)}: {error}") from error.__cause__


def _read(file: Any) -> Contents:
    size = os.fstat(file.fileno()).st_size
    if size < 8:
        raise FileFormatError(f"no safetensors file, or a truncated one: {size} bytes")
    length = int.from_bytes(_read_exactly(file, 8), "little")
    if length > min(size - 8, MOST_HEADER):
        raise FileFormatError(f"no safetensors file, or a truncated one: a header of {length} bytes in {size} bytes")
    header = strict_json(bytes(_read_exactly(file, length)))
    metadata, places = _checked(header, size - 8 - length)
    data = _read_exactly(file, size - 8 - length)
    if "sha256" in metadata and metadata["sha256"] != _digest(header, [data]):
        raise FileFormatError("damaged: the data do not have the SHA-256 that the header states")
    data.flags.writeable = False
    return Contents({name: _tensor(name, data, *place) for name, place in places.items()}, metadata, size)


def _tensor(name: str, data: Array, dtype: np.dtype[Any], shape: tuple[int, ...], first: int, end: int) -> Array:
    """Return the view of a tensor."""
    if dtype == np.bool_ and (data[first:end] > 1).any():
        raise FileFormatError(f"tensor {name!r}: bools must be bytes of 0 and 1")
    try:
        return data[first:end].view(dtype).reshape(shape)
    except ValueError as error:  # empty, and of a shape that no array can have
        raise FileFormatError(f"tensor {name!r}: {error}") from None


def _read_exactly(file: Any, count: int) -> Array:
    data = np.empty(count, np.uint8)
    done, view = 0, data.data
    while done < count:
        got = file.readinto(view[done:])
        if not got:
            raise FileFormatError("truncated while it was read")
        done += got
    return data


def _checked(header: Any, room: int) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the metadata and each tensor's (dtype, shape, first byte, end), all checked."""
    if not isinstance(header, dict):
        raise FileFormatError(f"the header must be a JSON object, got {type(header).__name__}")
    metadata = header.get(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FileFormatError(f"{_METADATA} must map strings to strings")
    places = {name: _place(name, entry) for name, entry in header.items() if name != _METADATA}
    end = 0
    for name, (_, _, first, last) in sorted(places.items(), key=lambda item: item[1][2:]):
        if first != end:
            raise FileFormatError(f"tensor {name!r} begins at byte {first}, where byte {end} is next")
        end = last
    if end != room:
        raise FileFormatError(f"tensors of {end} bytes in a file with room for {room}: truncated, or too long")
    return metadata, places


def _place(name: str, entry: Any) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FileFormatError(f"tensor {name!r} must have dtype, shape and data_offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in DTYPES:
        raise FileFormatError(f"tensor {name!r} must have one of the dtypes {', '.join(DTYPES)}, got {kind!r:.40}")
    for values in (shape, offsets):
        if not isinstance(values, list) or not all(type(n) is int and 0 <= n <= sys.maxsize for n in values):
            raise FileFormatError(f"tensor {name!r}: shape and data_offsets must be lists of whole numbers")
    dtype = np.dtype(DTYPES[kind])
    if len(offsets) != 2 or len(shape) > 32 or offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise FileFormatError(f"tensor {name!r}: {kind} of shape {shape!s:.200} does not take bytes {offsets!s:.80}")
    return dtype, tuple(shape), offsets[0], offsets[1]


def to_json(tree: Any) -> str:
    """Return a tree of plain values as JSON text; floats are read back to the bit."""
    return json.dumps(tree, separators=(",", ":"), allow_nan=False)


def strict_json(text: bytes | str) -> Any:
    """Return what JSON text says, refusing what other readers may understand otherwise.

    Raises
    ------
    FileFormatError
        If it is no JSON, a key stands twice in an object, a number is NaN or infinite, or it is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except FileFormatError:
        raise
    except RecursionError:
        raise FileFormatError("JSON nested too deeply") from None
    except (ValueError, UnicodeError) as error:
        raise FileFormatError(f"no JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FileFormatError("a key stands twice in a JSON object")
    return found


def _constant(name: str) -> NoReturn:
    raise FileFormatError(f"JSON has no number {name}")
