import copy
import pickle

import pytest

from charrnn.errors import ConfigError, CorpusError, DivergedError, VocabularyError


def test_copied_errors_keep_their_attributes() -> None:
    unknown = copy.copy(VocabularyError("so", characters=("a", "b")))
    assert (str(unknown), unknown.characters) == ("so", ("a", "b"))
    diverged = copy.copy(DivergedError("so", step=3, loss=1.5))
    assert (str(diverged), diverged.step, diverged.loss) == ("so", 3, 1.5)


def test_pickled_errors_keep_their_attributes() -> None:
    error = pickle.loads(pickle.dumps(VocabularyError("so", "do this", characters=("a",))))
    assert (error.message, error.remedies, error.characters) == ("so", ("do this",), ("a",))
    corpus_error = pickle.loads(pickle.dumps(CorpusError("so", "do this", "or that")))
    assert str(corpus_error) == "so: do this, or or that"


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (None, "it is wrong: wait, give --novelty, or run `charrnn train --seed 1`"),
        (
            {"--novelty", "--json"},
            "it is wrong: wait, give --novelty, or run `charrnn train --seed 1`",
        ),
        ({"--json"}, "it is wrong: wait, or run `charrnn train --seed 1`"),
    ],
)
def test_only_remedies_with_flags_of_the_command_are_shown(
    flags: set[str] | None, text: str
) -> None:
    error = ConfigError("it is wrong", "wait", "give --novelty", "run `charrnn train --seed 1`")
    assert error.explain(flags) == text


def test_an_error_without_a_usable_remedy_is_its_message() -> None:
    assert ConfigError("it is wrong", "give -o FILE").explain({"--out-dir"}) == "it is wrong"
