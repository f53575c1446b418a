"""The characters that are most likely to follow a text.

Shape suffixes: B samples, V characters of the vocabulary.
"""

import math
from typing import Literal, NamedTuple

from charrnn.config.sampling import SampleConfig
from charrnn.sampling.constraints import make_text_rules
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.log_probabilities import find_likely, log_softmax
from charrnn.sampling.start import find_first_input


class NextCharacter(NamedTuple):
    """A character that may come next; `log_probability` is a natural logarithm."""

    character: str
    probability: float
    log_probability: float
    ends_document: bool
    """Whether it is the separator of a model of documents."""


def find_next_characters(
    engine: SamplingEngine,
    prompt: str = "",
    count: int = 10,
    unknown: Literal["error", "skip"] = "error",
) -> list[NextCharacter]:
    """Return the `count` most likely next characters, the most likely one first.

    The probabilities are those of the network (temperature 1, without filters). Without a prompt,
    they are those of the first character of a line or of a document, or, if the vocabulary has no
    line break, of the character after the most common start. Raises `VocabularyError`, and
    `ConfigError` for a prompt that contains the separator of documents.
    """
    make_text_rules(SampleConfig(), engine.vocabulary, None, engine.separator, prompt)
    codes = engine.vocabulary.encode(prompt, unknown)
    codes, _ = find_first_input(engine, codes, samples_first=True)
    logits_1V, _ = engine.read(codes)
    likely = find_likely(log_softmax(logits_1V)[0], count)
    return [
        NextCharacter(
            engine.vocabulary.characters[code],
            math.exp(log_probability),
            log_probability,
            code == engine.separator_code,
        )
        for code, log_probability in likely
    ]
