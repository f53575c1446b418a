"""A text that a person and a model write in turns."""

import dataclasses
import secrets
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from charrnn.config.checks import MAX_SEED
from charrnn.config.sampling import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.loop import PromptState, stream_samples


class _Page(NamedTuple):
    """A text, and the state of the model after it: None where there is no text yet."""

    text: str
    prompt_state: PromptState | None


_BLANK = _Page("", None)


class Conversation:
    """The text so far, and how it is gone on from.

    Answer k after a seed was set is drawn with seed + k, so that a conversation can be had again.
    """

    def __init__(
        self, engine: SamplingEngine, config: SampleConfig, corpus: Corpus | None = None
    ) -> None:
        self.config = config
        self._engine, self._corpus = engine, corpus
        self._page = self._before = _BLANK
        self._answers = 0
        if config.seed is None:
            self.set(seed=secrets.randbits(32))

    @property
    def text(self) -> str:
        """All that was written so far."""
        return self._page.text

    def set(self, **settings: Any) -> None:
        """Change fields of the config; raise `ConfigError` and change nothing if one is wrong."""
        self.config = dataclasses.replace(self.config, **settings)
        if "seed" in settings:
            self._answers = 0

    def say(self, line: str) -> Generator[str]:
        """Add a line of the person's below the text; yield the answer as it is written.

        Raises `VocabularyError` and adds nothing if the model does not know a character.
        """
        apart = self.text and self.text[-1] != "\n" and "\n" in self._engine.vocabulary
        self._page = self._read(self._page, "\n" * bool(apart) + line)
        return self.more()

    def more(self) -> Generator[str]:
        """Yield how the model goes on; what was yielded is part of the text from then on."""
        self._before = self._page
        return self._answer()

    def again(self) -> Generator[str]:
        """Take the last answer back; yield another."""
        self._page = self._before
        return self._answer()

    def begin_anew(self) -> None:
        """Forget the text, but not the settings."""
        self._page = self._before = _BLANK

    def _answer(self) -> Generator[str]:
        seed = ((self.config.seed or 0) + self._answers) % (MAX_SEED + 1)
        config = dataclasses.replace(self.config, seed=seed)
        self._answers += 1
        page, answer = self._page, ""
        try:
            for piece in stream_samples(
                self._engine, page.text, config, self._corpus, prompt_state=page.prompt_state
            ):
                answer += piece.text  # before it is shown: what was seen is in the text
                yield piece.text
        finally:
            if page is _BLANK and "\n" in self._engine.vocabulary:
                page = self._read(page, "\n")._replace(text="")  # as if below another line
            self._page = self._read(page, answer)

    def _read(self, page: _Page, text: str) -> _Page:
        codes = self._engine.vocabulary.encode(text, self.config.unknown)
        if not len(codes):
            return page
        prompt_state = page.prompt_state
        if prompt_state is None:
            prompt_state = PromptState(*self._engine.read(codes))
        else:
            for code in codes.astype(np.int64):
                prompt_state = PromptState(*self._engine.step(prompt_state.state, code[None]))
        return _Page(page.text + self._engine.vocabulary.decode(codes), prompt_state)
