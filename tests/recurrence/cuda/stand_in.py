"""A processor that stands in for a GPU, as far as the choice of the engine goes."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch

from charrnn.recurrence.cuda import check, launch, persistent

H100 = SimpleNamespace(
    major=9, minor=0, multi_processor_count=132, shared_memory_per_block_optin=232448
)
CORRECT = json.dumps({"is_correct": True, "reason": ""})


def child_that_runs(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let the child process that checks a kernel run another program."""
    monkeypatch.setattr(check, "_command", lambda plan, device: [sys.executable, "-c", program])


def use_processor_as_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processor be the GPU, an H100 whose child process finds each kernel to be correct."""
    monkeypatch.setattr(persistent, "DEVICE_TYPE", "cpu")
    monkeypatch.setattr(persistent, "_VERDICTS", {})
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: H100)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    launch._load.cache_clear()
    child_that_runs(monkeypatch, f"print({CORRECT!r})")
