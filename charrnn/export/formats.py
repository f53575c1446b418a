"""The formats that a model can be exported to."""

from typing import Literal

Format = Literal["html", "onnx", "safetensors"]
