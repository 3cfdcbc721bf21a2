"""Models to and from other tools: ONNX files, PyTorch modules, Keras weights."""

from __future__ import annotations

from fastnn.exchange.keras_weights import load_keras_weights
from fastnn.exchange.onnx_file import export_onnx, to_onnx
from fastnn.exchange.torch_reader import from_torch
from fastnn.exchange.torch_writer import to_torch

__all__ = ["export_onnx", "from_torch", "load_keras_weights", "to_onnx", "to_torch"]
