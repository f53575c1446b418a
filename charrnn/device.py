"""Which device computes, and with how many threads."""

import torch

from charrnn.errors import DeviceError


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is cuda where there is one, else cpu."""
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        usable = ", ".join(device for device, there in available.items() if there)
        raise DeviceError(
            f"--device {name} cannot be used: this torch ({torch.__version__}) finds no such "
            f"device; use one of: {usable}"
        )
    return torch.device(name)


def set_threads(threads: int | None) -> int:
    """Let torch use this many processor threads (None: as it chose); return the number in use."""
    if threads is not None:
        torch.set_num_threads(threads)
    return torch.get_num_threads()
