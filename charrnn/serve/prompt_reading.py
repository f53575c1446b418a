"""Prepare the texts of a request for a running batch: encode and score the prompts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from charrnn.sampling.batched_text import BatchedText
from charrnn.sampling.constraints import make_text_rules
from charrnn.sampling.engines.interface import add_separator
from charrnn.sampling.log_probabilities import CharacterScore, score_character
from charrnn.serve.completion_format import ScoredPrompt
from charrnn.serve.completion_request import CompletionRequest
from charrnn.serve.models import ServedModel

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN


class PreparedTexts(NamedTuple):
    """The texts of a request."""

    texts: Sequence[BatchedText]
    prompts: Sequence[ScoredPrompt]
    num_given: Sequence[int]
    """How many characters of each text were not sampled: 1 for a given line start."""


def prepare_texts(request: CompletionRequest, model: ServedModel) -> PreparedTexts:
    """Return the texts of a request; raise `CharrnnError` if one cannot be generated."""
    engine = model.load_engine()
    corpus = model.load_corpus() if request.config.max_copy else None
    stops = [model.reader.convert(stop) for stop in request.stops]
    texts, prompts, rules = [], [], None
    for given in request.prompts:
        prompt = model.reader.convert(given)
        if rules is None or engine.separator:  # which a prompt must not contain
            rules = make_text_rules(
                request.config, engine.vocabulary, corpus, engine.separator, prompt
            )
        of_prompt = [
            BatchedText(
                engine,
                prompt,
                request.config,
                sample=sample,
                stops=stops,
                rules=rules,
                num_likely=request.logprobs,
            )
            for sample in range(request.n)
        ]
        first = of_prompt[0]
        if first.has_work and len(first.codes_to_read) > engine.max_prompt_in_rows:
            state = first.read_prompt(engine)
            for text in of_prompt:
                text.start(state)
        texts += of_prompt
        prompts.append(_read_prompt(prompt, request, model.load_model()))
    return PreparedTexts(texts, prompts, [text.num_given for text in texts])


def _read_prompt(prompt: str, request: CompletionRequest, model: "CharRNN") -> ScoredPrompt:
    """Return a prompt as the model reads it, with scores if the request needs them."""
    codes = model.vocabulary.encode(prompt, request.config.unknown)
    text = model.vocabulary.decode(codes)
    if not request.echo or request.logprobs is None or not text:
        return ScoredPrompt(text)
    from charrnn.model.forward import forward_chunks

    framed = add_separator(codes, model.separator_code)
    scores: list[CharacterScore | None] = [None] * (len(codes) + 1 - len(framed))
    for chunk in forward_chunks(model, framed[:-1, None], 1024):
        logits_TV = chunk.logits_TBV[:, 0].numpy()
        targets = framed[1:][chunk.rows].astype(np.int64).tolist()
        scores += [
            score_character(logits_V, code, request.logprobs)
            for logits_V, code in zip(logits_TV, targets, strict=True)
        ]
    return ScoredPrompt(text, scores)
