"""The formats that a model can be exported to."""

from typing import Literal

ExportFormat = Literal["html", "onnx", "safetensors"]
