"""Generate text in blocks: an engine samples many characters in one call.

Shape suffixes: K characters of a block, B samples.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Codes
from charrnn.sampling.engines.interface import BlockSamplingEngine
from charrnn.sampling.filters import Filters
from charrnn.sampling.start import PromptState, SampledText, find_first_input, start_samples

BLOCK_LENGTH = 64  # characters that an engine samples in one call


class _Block(NamedTuple):
    """A block that an engine has started to sample."""

    length: int
    """The number of its characters to use."""
    wait: Callable[[], NDArray[np.integer[Any]]]
    """Waits for the codes (K, B)."""


def sample_blocks(
    engine: BlockSamplingEngine,
    codes: Codes,
    config: SampleConfig,
    prompt_state: PromptState | None,
) -> Iterator[SampledText]:
    """Yield a block of all samples at a time, or single characters if there is one sample.

    While a block is decoded, the engine samples the next one.
    """
    codes, line_start = find_first_input(engine, codes, samples_first=False)
    if line_start and config.length:
        yield SampledText(np.arange(config.num_samples), line_start * config.num_samples)
    if config.length <= len(line_start):
        return
    uniforms, samples_B, logits_BV, state = start_samples(engine, codes, config, prompt_state)
    filters = Filters.from_config(config)

    def start_blocks() -> Iterator[_Block]:
        logits, carried = logits_BV, state
        for first in range(len(line_start), config.length, BLOCK_LENGTH):
            length = min(BLOCK_LENGTH, config.length - first)
            uniforms_KB = uniforms.block(
                first, BLOCK_LENGTH if engine.needs_full_blocks else length
            )
            wait, logits, carried = engine.sample_block(logits, carried, uniforms_KB, filters)
            yield _Block(length, wait)

    for block in _start_one_ahead(start_blocks()):
        texts = engine.vocabulary.decode_rows(block.wait()[: block.length].T)
        for texts_B in list(texts[0]) if len(texts) == 1 else [texts]:
            yield SampledText(samples_B, texts_B)


def _start_one_ahead(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """Yield each block after the next one has started."""
    started = list(itertools.islice(blocks, 1))
    for block in blocks:
        yield started.pop()
        started.append(block)
    yield from started
