"""Make the CPU look like a GPU to the code that selects an engine."""

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


def replace_child_program(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Make the child process that checks a kernel run another program."""
    monkeypatch.setattr(check, "_command", lambda plan, device: [sys.executable, "-c", program])


def use_cpu_as_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the CPU look like an H100. The child process reports that each kernel is correct."""
    monkeypatch.setattr(persistent, "DEVICE_TYPE", "cpu")
    monkeypatch.setattr(persistent, "_VERDICTS", {})
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: H100)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    launch._load.cache_clear()
    replace_child_program(monkeypatch, f"print({CORRECT!r})")
