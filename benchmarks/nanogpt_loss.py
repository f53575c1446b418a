"""The loss of a checkpoint of nanoGPT on a whole text; see `beside_nanogpt.py`."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

BLOCK = 64  # characters that nanoGPT reads at once
STRIDE = 16  # characters between sliding blocks
_BATCH = 256  # blocks


def held_out_losses(checkout: Path, path: Path, codes_N: NDArray[np.uint16]) -> dict[str, float]:
    """Return the mean loss of a checkpoint, in nats, with independent and with sliding blocks."""
    model = _load_model(checkout, path)
    return {
        "blocks": _mean_loss(model, codes_N, stride=BLOCK),
        "sliding": _mean_loss(model, codes_N, stride=STRIDE),
    }


def block_starts(length: int, stride: int) -> NDArray[np.int64]:
    """Return where blocks start that predict `length` characters, each at least once."""
    return np.append(np.arange(0, length - BLOCK, stride), length - BLOCK)


def counted_predictions(starts_B: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which predictions of each block count: those that no block before it makes."""
    ends_B = np.concatenate(([0], starts_B[:-1] + BLOCK))
    counted_BT: NDArray[np.bool_] = starts_B[:, None] + np.arange(BLOCK) >= ends_B[:, None]
    return counted_BT


@torch.inference_mode()
def _mean_loss(model: Any, codes_N: NDArray[np.uint16], stride: int) -> float:
    starts_B = block_starts(len(codes_N) - 1, stride)
    counted_BT = counted_predictions(starts_B)
    total = 0.0
    for first in range(0, len(starts_B), _BATCH):
        batch = slice(first, first + _BATCH)
        positions = starts_B[batch, None] + np.arange(BLOCK + 1)
        window = torch.from_numpy(codes_N[positions].astype(np.int64))
        logits, _ = model(window[:, :-1].contiguous(), window[:, 1:].contiguous())
        nats = cross_entropy(logits.transpose(1, 2), window[:, 1:], reduction="none")
        total += float(nats[torch.from_numpy(counted_BT[batch])].double().sum())
    return total / (len(codes_N) - 1)


def _load_model(checkout: Path, path: Path) -> Any:
    """Return the network of a checkpoint, built by the checkout's `model.py`."""
    specification = importlib.util.spec_from_file_location("nanogpt_model", checkout / "model.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model = module.GPT(module.GPTConfig(**checkpoint["model_args"]))
    model.load_state_dict(checkpoint["model"])
    return model.eval()
