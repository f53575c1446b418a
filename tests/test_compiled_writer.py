import gc
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.compiled import compiled
from charrnn.config import ModelConfig
from charrnn.corpus import Vocabulary
from charrnn.events import Finished
from charrnn.model import CharRNN
from charrnn.quantization import quantize
from charrnn.sampling import generate
from charrnn.writers import compiled_loop, whole_products
from charrnn.writers.compiled_writer import CompiledWriter
from charrnn.writers.torch_writer import TorchWriter

VOCABULARY = Vocabulary("\n abcdef")
SHAPE = ModelConfig(num_layers=3, hidden_size=24)
CODES = np.random.default_rng(1).integers(0, 8, 40).astype(np.uint8)


def pair(shape: ModelConfig = SHAPE) -> tuple[CompiledWriter, TorchWriter]:
    """Return two writers of the same model, whose weights 8 bits hold without rounding."""
    model = CharRNN(shape, VOCABULARY).initialize(1)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.startswith("weight") and name != "weight_ih_l0":
                weights.copy_(torch.from_numpy(quantize(weights.numpy()).restored()))
    arrays = model.arrays()
    return CompiledWriter(arrays, shape, VOCABULARY, "a"), TorchWriter(model)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_logits_are_those_of_the_network(num_layers: int) -> None:
    compiled, plain = pair(replace(SHAPE, num_layers=num_layers))
    ours, state = compiled.read(CODES)
    theirs, plain_state = plain.read(CODES)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    for code in CODES[:9].astype(np.int64):
        ours, state = compiled.step(state, code[None])
        theirs, plain_state = plain.step(plain_state, code[None])
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_a_prompt_at_once_is_a_prompt_character_by_character() -> None:
    compiled, _ = pair()
    whole, _ = compiled.read(CODES)
    logits, state = compiled.read(CODES[:1])
    for code in CODES[1:].astype(np.int64):
        logits, state = compiled.step(state, code[None])
    np.testing.assert_array_equal(logits, whole)


def test_a_state_is_never_changed_in_place() -> None:
    compiled, _ = pair()
    _, state = compiled.read(CODES)
    kept = [part.copy() for part in state]
    compiled.step(state, np.array([3]))
    compiled.step(state, np.array([4]))
    for part, copy in zip(state, kept, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_samples_side_by_side_are_those_alone() -> None:
    compiled, _ = pair()
    many = generate(compiled, "abc", length=30, num_samples=3, seed=5)
    assert many[0] == generate(compiled, "abc", length=30, seed=5)[0]
    assert len(set(many)) == 3


@pytest.mark.parametrize("hidden_size", [1, 7, 600])
def test_sums_hold_for_networks_of_any_width(hidden_size: int) -> None:
    shape = ModelConfig(num_layers=2, hidden_size=hidden_size)
    model = CharRNN(shape, VOCABULARY).initialize(1)
    with torch.no_grad():
        for n in range(2):
            weights = model.layer_weights(n)
            weights.weight_hh_GH.fill_(1.0)  # the largest sums there can be
            weights.bias_ih_G.fill_(9.0)
    compiled = CompiledWriter(model.arrays(), shape, VOCABULARY, "a")
    np.testing.assert_allclose(
        compiled.read(CODES)[0], TorchWriter(model).read(CODES)[0], atol=0.05
    )


def test_it_writes_without_torch(finished: Finished) -> None:
    script = (
        "import sys; from charrnn.runs import find_run; from charrnn.corpus import Vocabulary; "
        "from charrnn.writers.compiled_writer import CompiledWriter; "
        "from charrnn.sampling import generate; checkpoint = find_run('verse').select('best'); "
        "c = checkpoint.run.config; w = CompiledWriter(checkpoint.load('model'), c.model, "
        "Vocabulary(c.vocabulary), c.corpus.line_start); "
        "print(generate(w, length=20, seed=1)[0]); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.rstrip("\n")) >= 18


def test_two_cores_write_what_one_does() -> None:
    model = CharRNN(replace(SHAPE, hidden_size=41), VOCABULARY).initialize(1)
    alone, helped = (
        CompiledWriter(model.arrays(), model.config, VOCABULARY, "a", helped=helped)
        for helped in (False, True)
    )
    long = np.tile(CODES, 20)  # longer than a task, so that the helper takes part for certain
    for _ in range(200):
        theirs, ours = alone.read(long), helped.read(long)
        np.testing.assert_array_equal(ours[0], theirs[0])
        if layers_done_by_the_helper(helped):
            break
        time.sleep(0.05)
    assert layers_done_by_the_helper(helped)
    assert generate(helped, length=300, seed=2) == generate(alone, length=300, seed=2)


def test_the_helper_sleeps_and_is_woken() -> None:
    _, helped = writer_with_helper()
    for _ in range(2):
        before = layers_done_by_the_helper(helped)
        while layers_done_by_the_helper(helped) == before:
            helped.read(CODES)
        deadline = time.monotonic() + 20
        while helped._loop._words[compiled_loop._HELPER] != compiled_loop._ASLEEP:
            assert time.monotonic() < deadline, "the helper keeps a core busy with waiting"
            time.sleep(0.01)


def test_a_helper_kept_from_its_core_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, helped = writer_with_helper()
    monkeypatch.setattr(compiled_loop, "_LATE", -1)
    before = layers_done_by_the_helper(helped)
    while layers_done_by_the_helper(helped) == before:
        helped.read(CODES)
    done = layers_done_by_the_helper(helped)
    for _ in range(20):
        np.testing.assert_array_equal(helped.read(CODES)[0], alone.read(CODES)[0])
    assert layers_done_by_the_helper(helped) == done


def test_the_helper_ends_with_its_writer() -> None:
    _, helped = writer_with_helper()
    helped.read(CODES)
    threads = [each for each in threading.enumerate() if each.name == "charrnn-writer"]
    assert threads
    del helped
    gc.collect()
    deadline = time.monotonic() + 20
    while any(each.is_alive() for each in threads):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("width", [1, 15, 16, 50])
def test_products_are_exact(width: int) -> None:
    draws = np.random.default_rng(1)
    hidden_H = draws.integers(-32767, 32767, width, np.int16, endpoint=True)
    weights_GH = draws.integers(-127, 127, (12, width), np.int8, endpoint=True)
    expected = weights_GH.astype(np.int64) @ hidden_H
    for run in (_plain, _chosen):
        for j in range(3):
            assert run(hidden_H, weights_GH, j) == tuple(expected[j::3])


@compiled
def _plain(hidden_H: Any, weights_GH: Any, j: Any) -> Any:
    return whole_products.plain_four_products(hidden_H, weights_GH, j)


@compiled
def _chosen(hidden_H: Any, weights_GH: Any, j: Any) -> Any:
    return whole_products.four_products(hidden_H, weights_GH, j)


def writer_with_helper() -> tuple[CompiledWriter, CompiledWriter]:
    """Return two writers of one model, the second with a helper."""
    arrays = CharRNN(SHAPE, VOCABULARY).initialize(1).arrays()
    return (
        CompiledWriter(arrays, SHAPE, VOCABULARY, "a", helped=False),
        CompiledWriter(arrays, SHAPE, VOCABULARY, "a", helped=True),
    )


def layers_done_by_the_helper(writer: CompiledWriter) -> int:
    return int(writer._loop._words[compiled_loop._HELPER_DONE])
