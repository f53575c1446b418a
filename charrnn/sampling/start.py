"""The start of generated texts: what the model reads before the first draw.

Shape suffixes: B samples, V characters of the vocabulary.
"""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.sampling import SampleConfig
from charrnn.config.text import SEPARATOR
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.numerics.randomness import SampleUniforms
from charrnn.sampling.engines.interface import SamplingEngine


class PromptState(NamedTuple):
    """The result of reading a prompt: the logits (1, V) and the engine's state after it."""

    logits_1V: NDArray[np.float32]
    state: Any


class SampledText(NamedTuple):
    """New text of each sample that has not ended: one character or several."""

    samples_B: NDArray[np.int64]
    texts: Sequence[str]
    """Empty texts for samples that end because every allowed character would repeat a run."""
    codes_B: NDArray[np.int64] | None = None
    logits_BV: NDArray[np.float32] | None = None
    """The logits of the sampled character; None for a line start and for blocks."""


def find_start_context(vocabulary: Vocabulary) -> str:
    """Return the text that precedes a text without prompt.

    It is the end of a line, and the separator of documents, as far as the corpus contains them. A
    line break before the separator makes the start of a document more likely: after it and an `A`,
    `bard` continues `ACT` with a probability of 0.73, not 0.23.
    """
    return "".join(character for character in ("\n", SEPARATOR) if character in vocabulary)


def find_first_input(
    engine: SamplingEngine, codes: Codes, samples_first: bool
) -> tuple[Codes, str]:
    """Return the codes to read before the first draw, and the line start of the text, if any.

    `codes` are those of the prompt. There is no line start with a prompt, for a model of documents,
    and with `samples_first`: then the first character is sampled.
    """
    if len(codes) or engine.separator_code is not None:
        return codes, ""
    context = find_start_context(engine.vocabulary)
    if samples_first:
        return engine.vocabulary.encode(context or engine.line_start), ""
    return engine.vocabulary.encode(context + engine.line_start), engine.line_start


def start_samples(
    engine: SamplingEngine, codes: Codes, config: SampleConfig, prompt_state: PromptState | None
) -> tuple[SampleUniforms, NDArray[np.int64], NDArray[np.float32], Any]:
    """Return the uniform numbers, the numbers of the samples, and their logits and state."""
    seed = secrets.randbits(32) if config.seed is None else config.seed
    samples_B = np.arange(config.num_samples)
    logits_1V, state = prompt_state or engine.read(codes)
    logits_BV, state = logits_1V[samples_B * 0], engine.select_samples(state, samples_B * 0)
    return SampleUniforms(seed, config.num_samples), samples_B, logits_BV, state
