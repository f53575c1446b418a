from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.errors import ConfigError, VocabularyError
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.sampling import loop
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.int8.engine import Int8Engine
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.engines.packed import PackedEngine
from charrnn.sampling.engines.selection import engine_for
from charrnn.sampling.loop import generate, generate_scored, stream, stream_samples


def make_small_model() -> CharRNN:
    vocabulary = Vocabulary("\n abcdefgh")
    return CharRNN(ModelConfig(num_layers=2, hidden_size=16), vocabulary, "c").initialize(3)


def test_same_seed_gives_the_same_text() -> None:
    model = make_small_model()
    config = SampleConfig(length=60, seed=7)
    first, second = generate(model, "abc", config), generate(model, "abc", config)
    assert first == second
    assert generate(model, "abc", config, seed=8) != first
    assert len(first[0]) == 60


def test_without_a_seed_texts_differ() -> None:
    model = make_small_model()
    assert generate(model, length=60) != generate(model, length=60)


def test_each_temperature_gives_its_own_texts() -> None:
    model, config = make_small_model(), SampleConfig(length=30, seed=7, num_samples=2)
    both = generate(model, "a", config, temperature=(0.4, 1.2))
    separate = [generate(model, "a", config, temperature=temperature) for temperature in (0.4, 1.2)]
    assert both == [*separate[0], *separate[1]]
    assert separate[0] != separate[1]
    with pytest.raises(ConfigError, match="at one temperature"):
        list(stream(model, "a", config, temperature=(0.4, 1.2)))


def test_temperature_zero_needs_no_seed() -> None:
    model = make_small_model()
    texts = generate(model, length=50, temperature=0, num_samples=3)
    assert len(set(texts)) == 1
    assert generate(model, length=50, temperature=0) == texts[:1]


def test_sample_does_not_depend_on_the_number_of_samples() -> None:
    model = make_small_model()
    config = SampleConfig(length=80, seed=11, num_samples=7)
    texts = generate(model, "a", config)
    assert len(set(texts)) == 7
    for number in range(1, 7):
        assert generate(model, "a", config, num_samples=number) == texts[:number]


def test_streaming_gives_the_first_sample() -> None:
    model = make_small_model()
    config = SampleConfig(length=30, seed=2)
    assert list(stream(model, "ab", config)) == list(generate(model, "ab", config)[0])


def test_text_without_prompt_starts_with_the_most_common_line_start() -> None:
    (text,) = generate(make_small_model(), length=20, seed=1)
    assert text[0] == "c"
    assert len(text) == 20
    assert generate(make_small_model(), length=0) == [""]
    (rest,) = generate(make_small_model(), "\nc", length=19, temperature=0)
    assert generate(make_small_model(), length=20, temperature=0) == ["c" + rest]


def test_text_without_prompt_starts_like_a_document_if_the_corpus_has_documents() -> None:
    vocabulary = Vocabulary("\n\x1c abcd")
    model = CharRNN(ModelConfig(num_layers=2, hidden_size=16), vocabulary, "c").initialize(3)
    for engine in (EagerEngine(model), PackedEngine(model)):
        (text,) = generate(engine, length=20, seed=1)
        assert text[0] == "c"
        (rest,) = generate(engine, "\n\x1cc", length=19, temperature=0)
        assert generate(engine, length=20, temperature=0) == ["c" + rest]
        ruled = generate(engine, length=20, temperature=0, line_length=50)
        assert ruled == generate(engine, "\n\x1c", length=20, temperature=0)


def test_unknown_prompt_characters_are_an_error_or_skipped() -> None:
    model = make_small_model()
    with pytest.raises(VocabularyError, match=r"'X' \(U\+0058\), 'é' \(U\+00E9\)"):
        generate(model, "aXbé", length=5)
    skipped = generate(model, "aXbé", length=20, seed=1, unknown="skip")
    assert skipped == generate(model, "ab", length=20, seed=1)


class RepeatingEngine(SamplingEngine):
    """An engine that repeats a text."""

    def __init__(self, text: str) -> None:
        self.vocabulary = Vocabulary.from_text(text)
        self.line_start = text[0]
        self._codes = self.vocabulary.encode(text)

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], Any]:
        return self._one_hot_logits(len(codes_T), 1), len(codes_T)

    def select_samples(self, state: Any, samples_B: NDArray[np.int64]) -> Any:
        return state

    def step(self, state: Any, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        return self._one_hot_logits(state + 1, len(codes_B)), state + 1

    def _one_hot_logits(self, position: int, samples: int) -> NDArray[np.float32]:
        logits_BV = np.full((samples, len(self.vocabulary)), -1e9, dtype=np.float32)
        logits_BV[:, self._codes[position % len(self._codes)]] = 0
        return logits_BV


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        ("d", "ababc"),
        ("abcd", "ab"),  # the first "ab" could have been the beginning of the stop text
        ("ababcd", ""),
        ("zz", "ababcdababcd"),
        ("dab", "ababc"),
    ],
)
def test_text_ends_before_the_stop_text(stop: str, text: str) -> None:
    config = SampleConfig(length=12, stop=stop, seed=1)
    assert generate(RepeatingEngine("ababcd"), config=config) == [text]
    assert "".join(stream(RepeatingEngine("ababcd"), config=config)) == text


def test_possible_stop_text_is_delayed_only_as_long_as_needed() -> None:
    pieces = list(stream(RepeatingEngine("ababcd"), length=5, stop="abcx", seed=1))
    assert pieces == ["ab", "abc"]


def test_sampling_ends_when_all_samples_have_ended() -> None:
    class CountingEngine(RepeatingEngine):
        steps = 0

        def step(self, state: Any, codes_B: NDArray[np.int64]) -> Any:
            self.steps += 1
            return super().step(state, codes_B)

    engine = CountingEngine("abcdef")
    assert generate(engine, length=1000, stop="d", num_samples=3, seed=1) == ["abc"] * 3
    assert engine.steps == 2


def test_ended_samples_are_removed_from_the_batch() -> None:
    class CountingEngine(PackedEngine):
        batch_sizes: ClassVar[list[int]] = []

        def step(self, state: State, codes_B: NDArray[np.int64]) -> Any:
            self.batch_sizes.append(len(codes_B))
            return super().step(state, codes_B)

    config = SampleConfig(length=40, seed=2, num_samples=16, temperature=2, stop="c")
    texts = generate(CountingEngine(make_small_model()), "ab", config)
    batch_sizes = list(CountingEngine.batch_sizes)
    for number in (1, 5):
        alone = generate(CountingEngine(make_small_model()), "ab", config, num_samples=number)
        assert alone == texts[:number]
    assert batch_sizes[0] == 16
    assert len(set(batch_sizes)) > 2
    for position, batch_size in enumerate(batch_sizes):
        num_active = sum(len(text) >= position for text in texts)
        assert num_active <= batch_size < 2 * num_active


def test_log_probability_does_not_depend_on_filters_and_rules() -> None:
    model = make_small_model()
    config = SampleConfig(length=30, seed=4, num_samples=3, temperature=0.3, ban="d", top_k=4)
    for scored in generate_scored(engine_for(model, "float32"), "ab", config):
        codes = torch.from_numpy(model.vocabulary.encode("ab" + scored.text).astype(np.int64))
        logits_T1V, _ = model(codes[:-1, None], model.initial_state(1))
        expected = -cross_entropy(logits_T1V[1:, 0], codes[2:], reduction="sum").item()
        assert scored.log_probability == pytest.approx(expected, abs=1e-4)


def test_log_probability_includes_the_stop_text_only() -> None:
    engine = engine_for(make_small_model())
    whole, *_ = generate_scored(engine, "a", SampleConfig(length=40, seed=3, num_samples=2))
    stop = whole.text[5:8]
    config = SampleConfig(length=40, seed=3, num_samples=2, stop=stop)
    ended = generate_scored(engine, "a", config)[0]
    length = whole.text.index(stop) + 3
    (same,) = generate_scored(engine, "a", SampleConfig(length=length, seed=3))
    assert ended.text + stop == same.text
    assert ended.log_probability == pytest.approx(same.log_probability, abs=1e-4)


def test_each_character_is_a_piece_with_its_log_probability() -> None:
    model, prompt = make_small_model(), "ab"
    engine = engine_for(model, "float32")
    (text,) = generate(engine, prompt, length=40, seed=3)
    stop = text[5:8]
    config = SampleConfig(length=40, seed=3, num_samples=2, stop=stop)
    pieces = list(stream_samples(engine, prompt, config, num_likely=2))
    first = [piece for piece in pieces if piece.sample == 0]
    new_text = text[: text.index(stop) + len(stop)]
    codes = torch.from_numpy(model.vocabulary.encode(prompt + new_text).astype(np.int64))
    logits_T1V, _ = model(codes[:-1, None], model.initial_state(1))
    expected = -cross_entropy(logits_T1V[1:, 0], codes[2:], reduction="none")
    scores = [piece.score for piece in first if piece.score]
    assert len(scores) == len(first)
    assert [score.log_probability for score in scores] == pytest.approx(expected.tolist(), abs=1e-4)
    best = torch.topk(logits_T1V[1:, 0].log_softmax(-1), 2)
    assert [[code for code, _ in score.likely] for score in scores] == best.indices.tolist()
    for score, values in zip(scores, best.values.tolist(), strict=True):
        assert [value for _, value in score.likely] == pytest.approx(values, abs=1e-4)
    assert [piece.text for piece in first][-3:] == ["", "", ""]
    assert "".join(piece.text for piece in first) + stop == new_text
    for sample, scored in enumerate(generate_scored(engine, prompt, config)):
        sample_pieces = [piece for piece in pieces if piece.sample == sample]
        assert scored.text == "".join(piece.text for piece in sample_pieces)
        sample_scores = [piece.score for piece in sample_pieces if piece.score]
        assert scored.log_probability == sum(score.log_probability for score in sample_scores)


def test_given_line_start_has_no_score() -> None:
    first, second = stream_samples(
        engine_for(make_small_model()), "", SampleConfig(length=2, seed=1), num_likely=0
    )
    assert (first.text, first.score) == ("c", None)
    assert second.score
    assert second.score.log_probability < 0
    assert second.score.likely == ()


def test_scores_are_computed_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "score_characters", None)
    config = SampleConfig(length=40, seed=3, num_samples=2, stop="ab")
    for piece in stream_samples(engine_for(make_small_model()), "ab", config):
        assert piece.text
        assert piece.score is None


@pytest.mark.parametrize("name", ["eager", "packed", "int8"])
def test_samples_follow_the_distribution_of_the_network(name: str) -> None:
    model = make_small_model()
    engine: SamplingEngine = EagerEngine(model) if name == "eager" else PackedEngine(model)
    if name == "int8":
        engine = Int8Engine(model.arrays(), model.config, model.vocabulary, "c")
    draws, prompt = 100_000, "abcabc"
    config = SampleConfig(length=1, num_samples=draws, seed=9, temperature=1, min_p=0)
    texts = generate(engine, prompt, config)
    codes = torch.from_numpy(model.vocabulary.encode(prompt).astype(np.int64))[:, None]
    logits_T1V, _ = model(codes, model.initial_state(1))
    expected_V = draws * torch.softmax(logits_T1V[-1, 0].double(), 0).detach().numpy()
    counted_V = np.array([texts.count(character) for character in model.vocabulary.characters])
    chi_squared = ((counted_V - expected_V) ** 2 / expected_V).sum()
    # A correct engine exceeds this limit once in 10,000 tests (Wilson and Hilferty, 1931).
    freedom = len(counted_V) - 1
    limit = freedom * (1 - 2 / (9 * freedom) + 3.72 * (2 / (9 * freedom)) ** 0.5) ** 3
    assert chi_squared < limit
    assert ((np.roll(counted_V, 1) - expected_V) ** 2 / expected_V).sum() > limit
