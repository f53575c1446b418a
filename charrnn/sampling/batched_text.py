"""One text of a running batch: what it reads, how its characters are sampled, and its new text.

Shape suffixes: V characters of the vocabulary, K positions.
"""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.sampling import SampleConfig
from charrnn.errors import CharrnnError, ConfigError
from charrnn.numerics.randomness import SampleUniforms
from charrnn.sampling.constraints import (
    Rule,
    allowed_or_raise,
    make_text_rules,
    samples_first_character,
)
from charrnn.sampling.engines.interface import RowSamplingEngine, add_separator
from charrnn.sampling.filters import Filters, distribution, sample_codes
from charrnn.sampling.log_probabilities import CharacterScore, score_character
from charrnn.sampling.repetition import RunHistory
from charrnn.sampling.sample_text import SampleText
from charrnn.sampling.start import PromptState, find_first_input

UNIFORMS = 64  # uniform numbers that are drawn at once


class NewText(NamedTuple):
    """Characters that were added to a text, and whether they are the last."""

    text: str
    scores: Sequence[CharacterScore] = ()
    """One for each sampled character, also for those of a stop text; empty if not requested."""
    finish_reason: str | None = None
    """None, `length`, or `stop`: a stop text, the end of a document, or a rule."""
    error: CharrnnError | None = None

    def join(self, later: "NewText") -> "NewText":
        """Return this text and the text that follows it."""
        scores = (*self.scores, *later.scores)
        return NewText(self.text + later.text, scores, later.finish_reason, later.error)


class BatchedText:
    """A text that is sampled in a running batch.

    It is text `sample` of those that `stream_samples` yields with the same settings.
    """

    def __init__(
        self,
        engine: RowSamplingEngine,
        prompt: str,
        config: SampleConfig,
        *,
        sample: int = 0,
        stops: Sequence[str] = (),
        rules: Sequence[Rule] | None = None,
        num_likely: int | None = None,
    ) -> None:
        """With `num_likely`, each character has a score with this many likely characters.

        `rules` are those of the config; texts can share them. They are needed for `max_copy`.
        Raises `VocabularyError` and `ConfigError`.
        """
        if rules is None:
            rules = make_text_rules(config, engine.vocabulary, None, engine.separator, prompt)
        self.config, self.filters, self._rules = config, Filters.from_config(config), rules
        codes = engine.vocabulary.encode(prompt, config.unknown)
        codes, line_start = find_first_input(engine, codes, samples_first_character(config))
        line_start = line_start[: config.length]
        self.codes_to_read = add_separator(codes, engine.separator_code).tolist()
        self.state: Any = engine.initial_state()
        """The state of the text while it is in no batch."""
        self.position = self.num_given = len(line_start)
        """The number of characters of the text before the next one."""
        self.next_input: int = self.codes_to_read[0]
        self.finish_reason: str | None = None
        history = None if config.no_repeat is None else RunHistory(config.no_repeat, prompt)
        self._text = SampleText(prompt, config, bool(rules), history, engine.separator, stops)
        self._vocabulary, self._num_likely = engine.vocabulary, num_likely
        self._error: CharrnnError | None = None
        self._new_text = self._text.add(line_start) if line_start else ""
        self._scores: list[CharacterScore] = []
        seed = secrets.randbits(32) if config.seed is None else config.seed
        self._uniforms, self._sample = SampleUniforms(seed, sample + 1), sample
        self.uniforms_K = self.draw_uniforms(0)
        """The uniform numbers of `UNIFORMS` positions, of which one is the next."""

    @property
    def has_work(self) -> bool:
        """Whether there is a character to sample."""
        return self.finish_reason is None and self.position < self.config.length

    @property
    def needs_each_logit(self) -> bool:
        """Whether the text has rules or scores, so that its characters are added one at a time."""
        return bool(self._rules) or self._num_likely is not None

    def draw_uniforms(self, first: int) -> NDArray[np.float64]:
        """Return the uniform numbers of the positions from `first` on."""
        numbers_K: NDArray[np.float64] = self._uniforms.block(first, UNIFORMS)[:, self._sample]
        return numbers_K

    def read_prompt(self, engine: RowSamplingEngine) -> PromptState:
        """Return the state after the prompt, if it is too long to be read in a batch."""
        codes = np.array(self.codes_to_read)
        return PromptState(*engine.read(codes[engine.separator_code is not None :]))

    def start(self, prompt_state: PromptState) -> None:
        """Sample the first character after a prompt that was read; see `read_prompt`."""
        logits_1V, self.state = prompt_state.logits_1V.copy(), prompt_state.state
        self.codes_to_read.clear()
        logits_V = logits_1V[0].copy()
        self.apply_rules(logits_1V[0])
        uniforms_1 = self.uniforms_K[self.position : self.position + 1]
        code = int(sample_codes(distribution(logits_1V, self.filters), uniforms_1)[0])
        self.next_input, self.position = code, self.position + 1
        self.add_score(logits_V, code)
        self.add(self._vocabulary.characters[code])

    def read_input(self) -> bool:
        """Move to the next character of the prompt; return whether there is one."""
        self.codes_to_read.pop(0)
        if self.codes_to_read:
            self.next_input = self.codes_to_read[0]
        return bool(self.codes_to_read)

    def apply_rules(self, logits_V: NDArray[np.float32]) -> None:
        """Set the logits of characters that are not allowed to minus infinity.

        If there is no other character, the text ends.
        """
        if not self._rules or self.finish_reason is not None:
            return
        try:
            allowed_V = allowed_or_raise(self._rules, [self._text.position])[0]
        except ConfigError as error:
            self.end("stop", error)
            return
        if allowed_V.any():
            logits_V[~allowed_V] = -np.inf
        else:
            self.end("stop")

    def add(self, new_text: str) -> None:
        """Add sampled text; characters after the end of the text are ignored."""
        if self.finish_reason is None and new_text:
            self._new_text += self._text.add(new_text)
            if self._text.has_ended:
                self.finish_reason = "stop"

    def add_score(self, logits_V: NDArray[np.float32], code: int) -> None:
        """Add the score of a sampled character, if scores are requested."""
        if self._num_likely is not None and self.finish_reason is None:
            self._scores.append(score_character(logits_V, code, self._num_likely))

    def end(self, reason: str, error: CharrnnError | None = None) -> None:
        """End the text; its pending characters belong to it."""
        if self.finish_reason is None:
            self._new_text += self._text.pending
            self.finish_reason, self._error = reason, error

    def take(self) -> NewText:
        """Return what is new since the last call."""
        if self.position >= self.config.length:
            self.end("length")
        new = NewText(self._new_text, tuple(self._scores), self.finish_reason, self._error)
        self._new_text, self._scores = "", []
        return new
