"""Files of models: the safetensors format, durable writes, and settings as JSON from closed registries.

``Sequential.save`` and ``fastnn.load`` (``fastnn.models.saved``, ``loaded``) put them together. Nothing here unpickles,
evaluates or imports what a file names.
"""

from __future__ import annotations

from fastnn.files.durable import write_durably
from fastnn.files.safetensors import Contents, read_safetensors, safetensors_parts
from fastnn.files.settings import Reader, Writer

__all__ = ["Contents", "Reader", "Writer", "read_safetensors", "safetensors_parts", "write_durably"]
