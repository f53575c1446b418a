"""A text to which a user and a model add in turns."""

import dataclasses
import secrets
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from charrnn.config.checks import MAX_SEED
from charrnn.config.sampling import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.loop import stream_samples
from charrnn.sampling.start import PromptState, find_start_context


class _Snapshot(NamedTuple):
    """A text and the state of the model after it, which is None before the first character."""

    text: str
    prompt_state: PromptState | None


_EMPTY = _Snapshot("", None)


class Conversation:
    """The text so far, and the operations that continue it.

    The answer with number k since the seed was set (from 0) uses seed + k. So a conversation is
    reproducible. With a model of documents, each line of the user starts a new document.
    """

    def __init__(
        self, engine: SamplingEngine, config: SampleConfig, corpus: Corpus | None = None
    ) -> None:
        self.config = config
        self._engine, self._corpus = engine, corpus
        self._current = self._before_answer = _EMPTY
        self._num_answers = 0
        self._has_ended = False
        """Whether the text is a document that has ended."""
        self.ended_by_no_repeat = False
        """Whether the last answer ended because each possible character would repeat a run."""
        if config.seed is None:
            self.set(seed=secrets.randbits(32))

    @property
    def text(self) -> str:
        """The text so far."""
        return self._current.text

    def set(self, **settings: Any) -> None:
        """Change fields of the config; raise `ConfigError` if a value is invalid."""
        self.config = dataclasses.replace(self.config, **settings)
        if "seed" in settings:
            self._num_answers = 0

    def add_line(self, line: str) -> Generator[str]:
        """Add a line of the user to the text; yield the pieces of the answer.

        Raises `VocabularyError` and adds nothing if the vocabulary lacks a character.
        """
        if self._engine.separator_code is not None:
            self._current, self._has_ended = self._read(_EMPTY, line), False
            return self.continue_text()
        needs_break = self.text and self.text[-1] != "\n" and "\n" in self._engine.vocabulary
        self._current = self._read(self._current, "\n" * bool(needs_break) + line)
        return self.continue_text()

    def continue_text(self) -> Generator[str]:
        """Yield the pieces of the model's continuation, which becomes part of the text.

        After the end of a document, it is a new document.
        """
        if self._has_ended:
            self.clear()
        self._before_answer = self._current
        return self._answer()

    def retry(self) -> Generator[str]:
        """Remove the last answer; yield the pieces of another one."""
        self._current = self._before_answer
        return self._answer()

    def clear(self) -> None:
        """Remove the text; keep the settings."""
        self._current = self._before_answer = _EMPTY
        self._has_ended = False

    def _answer(self) -> Generator[str]:
        """Yield the pieces of an answer, then add the pieces that were displayed to the text."""
        seed = ((self.config.seed or 0) + self._num_answers) % (MAX_SEED + 1)
        config = dataclasses.replace(self.config, seed=seed)
        self._num_answers += 1
        self.ended_by_no_repeat = self._has_ended = False
        start, answer = self._current, ""
        try:
            for piece in stream_samples(
                self._engine, start.text, config, self._corpus, prompt_state=start.prompt_state
            ):
                answer += piece.text  # before the yield, so that displayed text is never lost
                self.ended_by_no_repeat = piece.ended_by_no_repeat
                self._has_ended = piece.ends_document
                yield piece.text
        finally:
            if start is _EMPTY and answer and self._engine.separator_code is None:
                start = self._read(start, find_start_context(self._engine.vocabulary))
                start = start._replace(text="")
            self._current = self._read(start, answer)

    def _read(self, start: _Snapshot, text: str) -> _Snapshot:
        """Return the snapshot after `text` is added to `start`."""
        codes = self._engine.vocabulary.encode(text, self.config.unknown)
        if not len(codes):
            return start
        prompt_state = start.prompt_state
        if prompt_state is None:
            prompt_state = PromptState(*self._engine.read(codes))
        else:
            for code in codes.astype(np.int64):
                prompt_state = PromptState(*self._engine.step(prompt_state.state, code[None]))
        return _Snapshot(start.text + self._engine.vocabulary.decode(codes), prompt_state)
