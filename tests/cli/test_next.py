import json
import math
from pathlib import Path

import numpy as np
import pytest

from charrnn.config.text import TextConfig
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.training.events import Finished
from charrnn.training.loop import train
from tests.conftest import TINY_MODEL, TINY_TRAINING, Cli


def test_next_shows_the_most_likely_characters_with_a_bar_each(
    cli: Cli, finished: Finished
) -> None:
    outcome = cli("next", "verse", "-p", "The w", "--count", 3, "--json")
    assert outcome.code == 0
    result = json.loads(outcome.out)
    assert (result["run"], result["prompt"]) == ("checkpoints/verse", "The w")
    likely = result["next"]
    engine = engine_for_checkpoint(finished.run.select("best"), device="cpu")
    logits_V = engine.read(engine.vocabulary.encode("The w"))[0][0].astype(np.float64)
    p_V = np.exp(logits_V) / np.exp(logits_V).sum()
    best = np.argsort(-p_V)[:3]
    assert [item["character"] for item in likely] == [engine.vocabulary.characters[n] for n in best]
    assert [item["probability"] for item in likely] == pytest.approx(p_V[best], rel=1e-6)
    assert math.exp(likely[0]["log_probability"]) == pytest.approx(likely[0]["probability"])
    title, _, first, *_ = cli("next", "verse", "-p", "The w", "-n", 3).out.splitlines()
    assert title == "the most likely characters after 'The w'"
    assert first.split()[0] == f"{p_V[best[0]]:.2%}"


def test_the_bar_of_a_certain_character_is_long(cli: Cli) -> None:
    lines = cli("next", "bard", "-p", "KING RICHARD II", "-n", 2).out.splitlines()
    assert lines[2].count("█") > 2 * lines[3].count("█")


def test_without_a_prompt_a_text_starts(cli: Cli, finished: Finished) -> None:
    outcome = cli("next", "verse", "-n", 2)
    assert outcome.out.startswith("the most likely first characters of a text\n")


def test_the_end_of_a_document_is_named(cli: Cli) -> None:
    Path("names.txt").write_text("ann\nbob\n" * 50, "utf-8")
    text = TextConfig(document_separator="\n")
    for _ in train("names.txt", TINY_TRAINING, TINY_MODEL, text):
        pass
    outcome = cli("next", "names", "-p", "ann", "-n", 20)
    assert "the end of the document" in outcome.out
    wrong = cli("next", "names", "-p", "ann\nb")
    assert wrong.code == 1
    assert "which separates the documents" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-p", "a", "--prompt-file", "b"], 2, "give --prompt or --prompt-file, not both"),
        (["-p", "☃"], 1, "not in the model's vocabulary"),
        (["-n", "0"], 2, "--count must be a whole number from 1"),
        (["-e", "-p", "\\q"], 2, "\\q"),
    ],
)
def test_wrong_arguments_give_one_sentence(
    arguments: list[str], code: int, message: str, cli: Cli, finished: Finished
) -> None:
    outcome = cli("next", "verse", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
