"""Models to and from other tools: ONNX files, PyTorch modules, Keras weights."""

from __future__ import annotations

from fastnn.exchange.keras_weights import load_keras_weights
from fastnn.exchange.onnx_file import export_onnx, to_onnx

__all__ = ["export_onnx", "load_keras_weights", "to_onnx"]
