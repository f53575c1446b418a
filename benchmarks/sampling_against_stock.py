"""Compare sampling with the usual PyTorch loop and with the limit of the CPU.

    python benchmarks/sampling_against_stock.py RUN [CHARACTERS]

Measures one text and many texts of CHARACTERS (1,000), a long prompt, and the time to the first
character, in turns for all contenders. The usual loop feeds an `nn.LSTM` of the same size one
character at a time and samples with softmax and `multinomial` at temperature 0.9. charrnn samples
with the best checkpoint of the run and its default settings, so it also applies min-p, which that
loop does not. The limits are the time of all matrix products of the forward pass as large products,
and as products with one row per text. Prints the median, lowest and highest speed of all rounds,
and the median over rounds of the ratio to the first contender of each part.
"""

import subprocess
import sys

import numpy as np
import torch
from timing import ROUNDS, compare
from torch import nn

from charrnn.config.model import ModelConfig
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.precision import has_bfloat16
from charrnn.numerics.threads import set_threads
from charrnn.recurrence.cpu.matmul import prepare_matmul
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.find import find_run
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.int8.compiled_loop import compile_to_cache
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.loop import generate

TEXTS, PROMPT_LENGTH = 64, 3000
_LARGE_PRODUCTS = 10  # that replace those of many texts; one would need gigabytes of memory


class StockLoop:
    """The usual PyTorch loop: Embedding, LSTM and Linear, called once per character."""

    def __init__(self, shape: ModelConfig, vocabulary_size: int) -> None:
        self._embedding = nn.Embedding(vocabulary_size, shape.hidden_size)
        self._layers = nn.LSTM(shape.hidden_size, shape.hidden_size, shape.num_layers)
        self._output = nn.Linear(shape.hidden_size, vocabulary_size)

    def generate(self, length: int, samples: int = 1) -> int:
        """Generate `length` characters in each sample; return the number of all characters."""
        codes_1B, state, generated = torch.zeros(1, samples, dtype=torch.long), None, []
        with torch.inference_mode():
            for _ in range(length):
                output_1BH, state = self._layers(self._embedding(codes_1B), state)
                p_BV = torch.softmax(self._output(output_1BH[0]) / 0.9, dim=1)
                codes_1B = torch.multinomial(p_BV, 1).T
                generated += codes_1B[0].tolist()
        return len(generated)


class ForwardProducts:
    """Large products with as many operations as a forward pass over some characters."""

    def __init__(
        self, shape: ModelConfig, vocabulary_size: int, characters: int, products: int
    ) -> None:
        units, layers = shape.hidden_size, shape.num_layers
        weights = 4 * units * units * (2 * layers - 1) + units * vocabulary_size
        rows = characters * weights // (4 * units * units * products)
        self._left, self._right = torch.randn(rows, units), torch.randn(units, 4 * units)
        self._result = torch.empty(rows, 4 * units)
        self._characters, self._products = characters, products

    def multiply(self) -> int:
        """Compute the products; return the number of characters that need them."""
        for _ in range(self._products):
            torch.mm(self._left, self._right, out=self._result)
        return self._characters


class StepProducts:
    """The products of a forward pass, one step after another, with one row per text.

    A step needs the characters that the step before it sampled, so no product can have more rows.
    """

    def __init__(
        self, shape: ModelConfig, samples: int, length: int, dtype: torch.dtype = torch.float32
    ) -> None:
        units = shape.hidden_size
        self._products = [
            prepare_matmul(torch.randn(4 * units, units).to(dtype), samples)
            for _ in range(2 * shape.num_layers - 1)
        ]
        self._rows, self._length = torch.randn(samples, units).to(dtype), length

    def multiply(self) -> int:
        """Compute the products; return the number of characters that need them."""
        with torch.inference_mode():
            for _ in range(self._length):
                for product in self._products:
                    product(self._rows)
        return self._length * len(self._rows)


def stock_loop(checkpoint: Checkpoint) -> StockLoop:
    """Return the usual loop with the sizes of the model of a checkpoint."""
    config = checkpoint.run.config
    return StockLoop(config.model, len(config.vocabulary))


def generate_characters(engine: SamplingEngine, length: int, samples: int = 1) -> int:
    """Generate text; return the number of characters."""
    return sum(map(len, generate(engine, "a", length=length, num_samples=samples, seed=1)))


def sample_first_character(run: str) -> int:
    """Start `charrnn sample`; return the number of bytes, 1, after the first byte of its text."""
    command = [sys.executable, "-m", "charrnn", "sample", run, "-s", "1", "-n", "2000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        bytes_read = len(process.stdout.read(1))
        process.kill()
    return bytes_read


def import_torch() -> int:
    """Start Python and import torch."""
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return 1


def compare_one_text(checkpoint: Checkpoint, length: int) -> None:
    """Compare the speed of sampling one text."""
    compile_to_cache()  # without it, sampling would start with the numpy loop
    stock = stock_loop(checkpoint)
    int8 = engine_for_checkpoint(checkpoint, device="cpu")
    network = engine_for_checkpoint(checkpoint, device="cpu", precision="float32")
    compare(
        f"One text of {length:,} characters",
        length,
        {
            "stock loop": lambda: stock.generate(length),
            "charrnn, 8-bit weights": lambda: generate_characters(int8, length),
            "charrnn, float32": lambda: generate_characters(network, length),
        },
    )


def compare_many_texts(checkpoint: Checkpoint, length: int) -> None:
    """Compare the speed of sampling many texts, also with the limits of the CPU."""
    config = checkpoint.run.config
    stock = stock_loop(checkpoint)
    network = engine_for_checkpoint(checkpoint, device="cpu", precision="float32")
    limit = ForwardProducts(config.model, len(config.vocabulary), TEXTS * length, _LARGE_PRODUCTS)
    contenders = {
        f"limit: products of {TEXTS} rows": StepProducts(config.model, TEXTS, length).multiply,
        "charrnn, float32": lambda: generate_characters(network, length, TEXTS),
        "limit: large products": limit.multiply,
        "stock loop": lambda: stock.generate(length, TEXTS),
    }
    if has_bfloat16():
        rounded = engine_for_checkpoint(checkpoint, num_samples=TEXTS, device="cpu")
        steps = StepProducts(config.model, TEXTS, length, torch.bfloat16)
        contenders |= {
            f"limit: products of {TEXTS} rows, bfloat16": steps.multiply,
            "charrnn, bfloat16": lambda: generate_characters(rounded, length, TEXTS),
        }
    compare(f"{TEXTS} texts of {length:,} characters", TEXTS * length, contenders)


def compare_prompts(checkpoint: Checkpoint) -> None:
    """Compare the speed of reading a long prompt."""
    int8 = engine_for_checkpoint(checkpoint, device="cpu")
    network = engine_for_checkpoint(checkpoint, device="cpu", precision="float32")
    forward = EagerEngine(load_checkpoint(checkpoint, "cpu"))
    prompt = np.arange(PROMPT_LENGTH, dtype=np.uint8) % np.uint8(
        len(checkpoint.run.config.vocabulary)
    )

    def read(engine: SamplingEngine) -> int:
        engine.read(prompt)
        return len(prompt)

    def read_by_steps() -> int:
        _, state = network.read(prompt[:1])
        for code in prompt[1:].astype(np.int64):
            _, state = network.step(state, code[None])
        return len(prompt)

    compare(
        f"A prompt of {PROMPT_LENGTH:,} characters",
        PROMPT_LENGTH,
        {
            "one step per character, float32": read_by_steps,
            "forward pass of the network": lambda: read(forward),
            "charrnn, 8-bit weights": lambda: read(int8),
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
    compare_many_texts(checkpoint, length)
    compare_prompts(checkpoint)
    compare(
        "The first character, in a new process",
        1,
        {"import torch": import_torch, "charrnn sample": lambda: sample_first_character(run)},
    )


if __name__ == "__main__":
    main()
