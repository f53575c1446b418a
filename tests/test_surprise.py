"""Where a text surprises a model, told and shown."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Opened, Outcome

from charrnn.analysis.scoring import character_nats
from charrnn.analysis.surprise import expectations, surprising_lines
from charrnn.config.training import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.model.network import CharRNN
from charrnn.training.events import Finished


@pytest.fixture
def model() -> CharRNN:
    config = ModelConfig(num_layers=2, hidden_size=8)
    return CharRNN(config, Vocabulary(tuple("\nabcdef"))).initialize(2).eval()


def test_expectations_are_the_likeliest_characters_and_the_loss_that_score_tells(
    model: CharRNN,
) -> None:
    codes = np.random.default_rng(1).integers(0, 7, 5000).astype(np.uint8)
    found = expectations(model, codes, most=3)
    np.testing.assert_allclose(found.nats_N, character_nats(model, codes), atol=1e-5)
    x_T1 = torch.from_numpy(codes[:-1].astype(np.int64))[:, None]
    with torch.no_grad():
        p_TV = model(x_T1, model.initial_state(1))[0][:, 0].softmax(-1).numpy()
    np.testing.assert_allclose(
        found.probabilities_NK, -np.sort(-p_TV, axis=1)[:, :3], rtol=1e-3, atol=1e-6
    )
    chosen = np.take_along_axis(p_TV, found.codes_NK, axis=1)
    np.testing.assert_allclose(found.probabilities_NK, chosen, rtol=1e-3, atol=1e-6)


def test_no_more_characters_are_expected_than_there_are(model: CharRNN) -> None:
    assert expectations(model, np.zeros(3, np.uint8), most=50).codes_NK.shape == (2, 7)


@pytest.mark.parametrize("length", [0, 1])
def test_a_text_too_short_to_foretell_is_refused(model: CharRNN, length: int) -> None:
    with pytest.raises(CorpusError, match="at least 2 are needed"):
        expectations(model, np.zeros(length, np.uint8))


def test_a_line_is_as_surprising_as_its_characters_and_its_end() -> None:
    text = "0123456789\nshort\nabcdefghij\n0123456789\n"
    nats = np.zeros(len(text) - 1, np.float32)
    nats[:10] = math.log(2)  # of the first line but its first character
    nats[16:27] = 3 * math.log(2)
    nats[27:38] = 2 * math.log(2)
    lines = surprising_lines(text, nats)
    assert [(each.number, each.text, each.times) for each in lines] == [
        (3, "abcdefghij", 1),
        (4, "0123456789", 2),
    ]
    assert [each.bits_per_char for each in lines] == pytest.approx([3, 2])
    assert len(surprising_lines(text, nats, most=1)) == 1


def test_a_text_is_shown_by_surprise(
    finished: Finished, text_file: Path, cli: Callable[..., Outcome]
) -> None:
    outcome = cli("score", text_file, "--per-char", "-n", "20")
    assert outcome.code == 0
    assert outcome.out.startswith("FIRST MILLER:↵\n")
    assert "the most surprising lines" in outcome.out
    told = json.loads(cli("score", text_file, "--per-char", "--json").out)
    plain = json.loads(cli("score", text_file, "--json").out)
    assert told["bits_per_char"] == pytest.approx(plain["bits_per_char"], abs=1e-5)
    assert len(told["nats"]) == told["characters"] == plain["characters"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--per-char", "--adapt"),
        ("--per-char", "--context", 8),
        ("--per-char", "--run", "verse", "--run", "verse"),
        ("--out", "x.html"),
        ("-n", 5),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    arguments: tuple[object, ...], finished: Finished, cli: Callable[..., Outcome]
) -> None:
    assert cli("score", *arguments).code == 2


def test_the_page_tells_what_was_expected(
    finished: Finished,
    text_file: Path,
    cli: Callable[..., Outcome],
    opened: Callable[[Path], Opened],
) -> None:
    assert cli("score", text_file, "--per-char", "-o", "page.html").code == 0
    page = opened(Path("page.html")).page
    shown = page.inner_text("#text").replace("↵", "")
    assert shown.split() == text_file.read_text().split()
    told = json.loads(cli("score", text_file, "--per-char", "--json").out)
    page.hover("#text i >> nth=30")
    tip = page.inner_text("#tip").splitlines()
    character = text_file.read_text()[30]
    assert tip[0] == f"{character}: {told['nats'][29] / math.log(2):.2f} bits"
    assert len(tip) == 7
    page.hover("#text i >> nth=0")
    assert page.inner_text("#tip") == "F: the first, which nothing precedes"
