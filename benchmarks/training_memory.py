"""Compare the peak memory of training in charrnn and in stock PyTorch.

    python benchmarks/training_memory.py tinyshakespeare.txt

One process runs `charrnn train`. The other one trains the usual PyTorch model: Embedding,
`nn.LSTM`, Linear, AdamW and gradient clipping. Both use 64 streams x 128 characters, float32 and no
dropout.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

STEPS = 6
STOCK = f"""
import sys
from pathlib import Path
import torch
from torch import nn

text = Path(sys.argv[1]).read_text("utf-8")
characters = sorted(set(text))
codes = torch.tensor([characters.index(character) for character in text])
embedding, layers = nn.Embedding(len(characters), 512), nn.LSTM(512, 512, 3)
output = nn.Linear(512, len(characters))
modules = nn.ModuleList([embedding, layers, output])
optimizer = torch.optim.AdamW(modules.parameters(), lr=1e-3)
streams, state = codes[: len(codes) // 64 * 64].view(64, -1).t(), None
for step in range({STEPS}):
    window = streams[step * 128 : step * 128 + 129]
    outputs, state = layers(embedding(window[:-1]), state)
    state = tuple(part.detach() for part in state)
    loss = nn.functional.cross_entropy(output(outputs).flatten(0, 1), window[1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
    optimizer.step()
"""


def peak_memory(*arguments: str) -> float:
    """Return the peak memory of a Python process, in MB."""
    program = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, "
        "stderr=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", program, sys.executable, *arguments]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    kilobytes = int(process.stdout) / (1024 if sys.platform == "darwin" else 1)
    return kilobytes / 1024


def main() -> None:
    """Measure and print."""
    corpus = sys.argv[1]
    sizes = ["--batch-size", "64", "--seq-length", "128", "--dropout", "0"]
    with tempfile.TemporaryDirectory() as folder:
        charrnn = peak_memory(
            *("-m", "charrnn", "train", corpus, "-o", str(Path(folder) / "run")),
            *("--max-steps", str(STEPS), "--eval-every", str(STEPS), "--precision", "float32"),
            *sizes,
        )
    stock = peak_memory("-c", STOCK, corpus)
    print(f"charrnn train {charrnn:,.0f} MB, stock {stock:,.0f} MB, ratio {charrnn / stock:.2f}")


if __name__ == "__main__":
    main()
