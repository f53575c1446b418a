import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.numerics.quantization import quantize
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.int8.compiled_loop import CompiledLoop
from charrnn.sampling.engines.int8.engine import Int8Engine
from charrnn.sampling.engines.int8.interface import Int8Weights, Loop
from charrnn.sampling.engines.int8.numpy_loop import NumpyLoop
from charrnn.sampling.loop import generate
from charrnn.training.events import Finished

VOCABULARY = Vocabulary("\n abcdef")
SHAPE = ModelConfig(num_layers=3, hidden_size=24)
CODES = np.random.default_rng(1).integers(0, 8, 40).astype(np.uint8)

Make = Callable[[Int8Weights], Loop]
LOOPS = pytest.mark.parametrize("make_loop", [NumpyLoop, CompiledLoop])


def make_engines(
    shape: ModelConfig = SHAPE, make_loop: Make = CompiledLoop
) -> tuple[Int8Engine, EagerEngine]:
    """Return two engines of one model, whose weights have no rounding error in 8 bits."""
    model = CharRNN(shape, VOCABULARY).initialize(1)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.startswith("weight") and name != "weight_ih_l0":
                weights.copy_(torch.from_numpy(quantize(weights.numpy()).dequantize()))
    arrays = model.arrays()
    return Int8Engine(arrays, shape, VOCABULARY, "a", make_loop), EagerEngine(model)


@LOOPS
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_logits_are_those_of_the_network(num_layers: int, make_loop: Make) -> None:
    engine, plain = make_engines(replace(SHAPE, num_layers=num_layers), make_loop)
    actual, state = engine.read(CODES)
    expected, plain_state = plain.read(CODES)
    np.testing.assert_allclose(actual, expected, atol=2e-3)
    for code in CODES[:9].astype(np.int64):
        actual, state = engine.step(state, code[None])
        expected, plain_state = plain.step(plain_state, code[None])
        np.testing.assert_allclose(actual, expected, atol=2e-3)


def test_reading_a_prompt_equals_reading_its_characters() -> None:
    engine, _ = make_engines()
    whole, _ = engine.read(CODES)
    logits, state = engine.read(CODES[:1])
    for code in CODES[1:].astype(np.int64):
        logits, state = engine.step(state, code[None])
    np.testing.assert_array_equal(logits, whole)


def test_states_are_never_modified() -> None:
    engine, _ = make_engines()
    _, state = engine.read(CODES)
    copies = [part.copy() for part in state]
    engine.step(state, np.array([3]))
    engine.step(state, np.array([4]))
    for part, copy in zip(state, copies, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_samples_do_not_depend_on_other_samples() -> None:
    engine, _ = make_engines()
    many = generate(engine, "abc", length=30, num_samples=3, seed=5)
    assert many[0] == generate(engine, "abc", length=30, seed=5)[0]
    assert len(set(many)) == 3


@LOOPS
@pytest.mark.parametrize("hidden_size", [1, 7, 600])
def test_sums_do_not_overflow_at_any_width(hidden_size: int, make_loop: Make) -> None:
    shape = ModelConfig(num_layers=2, hidden_size=hidden_size)
    model = CharRNN(shape, VOCABULARY).initialize(1)
    with torch.no_grad():
        for n in range(2):
            weights = model.layer_weights(n)
            weights.weight_hh_GH.fill_(1.0)  # the largest possible sums
            weights.bias_ih_G.fill_(9.0)
    engine = Int8Engine(model.arrays(), shape, VOCABULARY, "a", make_loop)
    np.testing.assert_allclose(engine.read(CODES)[0], EagerEngine(model).read(CODES)[0], atol=0.05)


def test_int8_engine_does_not_import_torch(finished: Finished) -> None:
    script = Path(__file__).with_name("generate_without_torch.py")
    process = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert len(process.stdout.rstrip("\n")) >= 18
