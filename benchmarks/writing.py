"""Compare the writing of text with the loop that everyone writes, and with the processor's limit.

    python benchmarks/writing.py RUN [CHARACTERS]

One text, many texts, a long prompt and the first character; in each part all take turns. The loop
is an `nn.LSTM` of the run's sizes fed one character at a time, softmax and `multinomial`; the
others write with the run's best checkpoint, and each must have written its characters. The limits
are what the products of the forward pass would take at the speed of one large product, and as
products of as many rows as there are texts. Prints medians, slowest and fastest, and the median
over rounds of the ratio to the first of each part.
"""

import subprocess
import sys

import numpy as np
import torch
from torch import nn
from turns import ROUNDS, compare

from charrnn.config.model import ModelConfig
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.threads import set_threads
from charrnn.recurrence.cpu.matmul import prepare_matmul
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.find import find_run
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.int8.compiled_loop import compile_to_cache
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.loop import generate

MANY, PROMPT = 64, 3000


class StockLoop:
    """Embedding, LSTM, Linear; a step a character."""

    def __init__(self, shape: ModelConfig, vocabulary_size: int) -> None:
        self._embedding = nn.Embedding(vocabulary_size, shape.hidden_size)
        self._layers = nn.LSTM(shape.hidden_size, shape.hidden_size, shape.num_layers)
        self._output = nn.Linear(shape.hidden_size, vocabulary_size)

    def generate(self, length: int, samples: int = 1) -> int:
        """Generate `length` characters in each sample; return the number of all characters."""
        codes_1B, state, written = torch.zeros(1, samples, dtype=torch.long), None, []
        with torch.inference_mode():
            for _ in range(length):
                output_1BH, state = self._layers(self._embedding(codes_1B), state)
                p_BV = torch.softmax(self._output(output_1BH[0]) / 0.8, dim=1)
                codes_1B = torch.multinomial(p_BV, 1).T
                written += codes_1B[0].tolist()
        return len(written)


class ForwardProducts:
    """As much multiplication as a forward pass over some characters takes, in one large product."""

    def __init__(self, shape: ModelConfig, vocabulary_size: int, characters: int) -> None:
        units, layers = shape.hidden_size, shape.num_layers
        weights = 4 * units * units * (2 * layers - 1) + units * vocabulary_size
        rows = characters * weights // (4 * units * units)
        self._left, self._right = torch.randn(rows, units), torch.randn(units, 4 * units)
        self._result = torch.empty(rows, 4 * units)
        self._characters = characters

    def multiply(self) -> int:
        """Return how many characters this was the work for."""
        torch.mm(self._left, self._right, out=self._result)
        return self._characters


class StepProducts:
    """The same multiplication as it falls to a step: products of as many rows as there are texts.

    A step waits for the characters that the last one drew, so that no product can have more rows.
    """

    def __init__(self, shape: ModelConfig, samples: int, length: int) -> None:
        units = shape.hidden_size
        self._products = [
            prepare_matmul(torch.randn(4 * units, units), samples)
            for _ in range(2 * shape.num_layers - 1)
        ]
        self._rows, self._length = torch.randn(samples, units), length

    def multiply(self) -> int:
        """Return how many characters this was the work for."""
        with torch.inference_mode():
            for _ in range(self._length):
                for product in self._products:
                    product(self._rows)
        return self._length * len(self._rows)


def stock_loop(checkpoint: Checkpoint) -> StockLoop:
    """Return the stock loop at the sizes of a checkpoint's model."""
    config = checkpoint.run.config
    return StockLoop(config.model, len(config.vocabulary))


def characters_of(writer: SamplingEngine, length: int, samples: int = 1) -> int:
    """Write; return how many characters were written."""
    return sum(map(len, generate(writer, "a", length=length, num_samples=samples, seed=1)))


def first_character(run: str) -> int:
    """Start `charrnn sample`; return once a byte of its text has come."""
    command = [sys.executable, "-m", "charrnn", "sample", run, "-s", "1", "-n", "2000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        came = len(process.stdout.read(1))
        process.kill()
    return came


def import_torch() -> int:
    """Start Python and import torch."""
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return 1


def compare_one_text(checkpoint: Checkpoint, length: int) -> None:
    """Compare the writing of one text."""
    compile_to_cache()  # else the first part would begin with the plain loop
    stock = stock_loop(checkpoint)
    one = engine_for_checkpoint(checkpoint, device="cpu")
    network = engine_for_checkpoint(checkpoint, device="cpu", precision="float32")
    compare(
        f"One text of {length:,} characters",
        length,
        {
            "stock loop": lambda: stock.generate(length),
            "charrnn, 8-bit weights": lambda: characters_of(one, length),
            "charrnn, float32": lambda: characters_of(network, length),
        },
    )


def compare_many_texts(checkpoint: Checkpoint) -> None:
    """Compare the writing of many texts with each other and with the limits of the processor."""
    config, length = checkpoint.run.config, 100
    stock = stock_loop(checkpoint)
    network = engine_for_checkpoint(checkpoint, device="cpu", precision="float32")
    limit = ForwardProducts(config.model, len(config.vocabulary), MANY * length)
    steps = StepProducts(config.model, MANY, length)
    compare(
        f"{MANY} texts of {length} characters",
        MANY * length,
        {
            "limit: one large product": limit.multiply,
            f"limit: products of {MANY} rows": steps.multiply,
            "charrnn": lambda: characters_of(network, length, MANY),
            "stock loop": lambda: stock.generate(length, MANY),
        },
    )


def compare_prompts(checkpoint: Checkpoint) -> None:
    """Compare the reading of a long prompt."""
    one = engine_for_checkpoint(checkpoint, device="cpu")
    network = engine_for_checkpoint(checkpoint, device="cpu", precision="float32")
    forward = EagerEngine(load_checkpoint(checkpoint, "cpu"))
    prompt = np.arange(PROMPT, dtype=np.uint8) % np.uint8(len(checkpoint.run.config.vocabulary))

    def read(writer: SamplingEngine) -> int:
        writer.read(prompt)
        return len(prompt)

    def read_by_steps() -> int:
        _, state = network.read(prompt[:1])
        for code in prompt[1:].astype(np.int64):
            _, state = network.step(state, code[None])
        return len(prompt)

    compare(
        f"A prompt of {PROMPT:,} characters",
        PROMPT,
        {
            "a step a character, float32": read_by_steps,
            "torch's forward pass": lambda: read(forward),
            "charrnn, 8-bit weights": lambda: read(one),
        },
    )


def main() -> None:
    """Measure and print."""
    run = sys.argv[1]
    checkpoint = find_run(run).select("best")
    length = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    threads = set_threads(None)
    print(f"{ROUNDS} rounds, {threads} threads, torch {torch.__version__}")
    compare_one_text(checkpoint, length)
    compare_many_texts(checkpoint)
    compare_prompts(checkpoint)
    compare(
        "The first character: whole processes",
        1,
        {"import torch": import_torch, "charrnn sample": lambda: first_character(run)},
    )


if __name__ == "__main__":
    main()
