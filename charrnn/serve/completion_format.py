"""The answers of `POST /v1/completions`: OpenAI's objects."""

import secrets
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from charrnn.data.vocabulary import Vocabulary
from charrnn.sampling.batched_text import NewText
from charrnn.sampling.log_probabilities import CharacterScore

_DIGITS = 6  # of log-probabilities


class ScoredPrompt(NamedTuple):
    """A prompt as the model reads it, and the score of each character, None where it has none."""

    text: str
    scores: Sequence[CharacterScore | None] = ()


class Choice:
    """One text of an answer: turns new text into choice objects."""

    def __init__(
        self, index: int, vocabulary: Vocabulary, num_given: int, *, has_scores: bool
    ) -> None:
        """Create a text whose first `num_given` characters were not sampled."""
        self.index, self.num_characters = index, 0
        self._vocabulary, self._has_scores = vocabulary, has_scores
        self._scores: deque[CharacterScore | None] = deque([None] * num_given)
        self._offset = 0

    def echo(self, prompt: ScoredPrompt) -> dict[str, Any]:
        """Return the choice that has the prompt as its text."""
        return self._format(prompt.text, prompt.scores, None)

    def add(self, new: NewText) -> dict[str, Any]:
        """Return the choice that has the new text.

        The scores of characters that are not shown, as those of a stop text, are left out.
        """
        self.num_characters += len(new.text)
        scores: list[CharacterScore | None] = []
        if self._has_scores:
            self._scores += new.scores
            scores = [self._scores.popleft() for _ in new.text]
        return self._format(new.text, scores, new.finish_reason)

    def _format(
        self, text: str, scores: Iterable[CharacterScore | None], finish_reason: str | None
    ) -> dict[str, Any]:
        logprobs = self._format_scores(text, scores) if self._has_scores else None
        self._offset += len(text)
        return {
            "index": self.index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        }

    def _format_scores(
        self, text: str, scores: Iterable[CharacterScore | None]
    ) -> dict[str, list[Any]]:
        characters = self._vocabulary.characters
        logprobs: dict[str, list[Any]] = {
            "tokens": list(text),
            "token_logprobs": [],
            "top_logprobs": [],
            "text_offset": list(range(self._offset, self._offset + len(text))),
        }
        for score in scores:
            value = None if score is None else round(score.log_probability, _DIGITS)
            likely = None
            if score is not None:  # as in OpenAI's API, the character itself is always included
                pairs = [*score.likely, (score.code, score.log_probability)]
                likely = {characters[code]: round(number, _DIGITS) for code, number in pairs}
            logprobs["token_logprobs"].append(value)
            logprobs["top_logprobs"].append(likely)
        return logprobs


def merge(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one choice for the parts of a text."""
    merged = {**parts[-1], "text": "".join(part["text"] for part in parts)}
    if merged["logprobs"] is not None:
        merged["logprobs"] = {
            key: [value for part in parts for value in part["logprobs"][key]]
            for key in merged["logprobs"]
        }
    return merged


class Envelope:
    """The keys that all objects of an answer have."""

    def __init__(self, model: str, fingerprint: str, warnings: Sequence[str]) -> None:
        self._common = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": fingerprint,
            **({"warnings": list(warnings)} if warnings else {}),
        }

    def wrap(
        self, choices: Sequence[dict[str, Any]], usage: dict[str, int] | None = None
    ) -> dict[str, Any]:
        """Return the object with these choices."""
        return {**self._common, "choices": choices, **({"usage": usage} if usage else {})}


def count_usage(prompt_characters: int, characters: int) -> dict[str, int]:
    """Return the numbers of characters that were read and generated."""
    return {
        "prompt_tokens": prompt_characters,
        "completion_tokens": characters,
        "total_tokens": prompt_characters + characters,
    }
