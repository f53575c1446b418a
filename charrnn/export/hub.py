"""Upload of a model to the Hugging Face Hub: the model file, and a card in Markdown."""

import json

from charrnn.config.counts import format_count
from charrnn.console.output import print_message
from charrnn.console.text import format_code_block
from charrnn.data.corpus import Corpus
from charrnn.errors import CorpusError
from charrnn.export.model_card import render_model_card
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.hub import CARD, FILE, PREFIX, explain_hub_error, import_hub
from charrnn.runs.model_file import make_model_file
from charrnn.runs.text_reader import TextReader
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.loop import generate
from charrnn.sampling.novelty import measure_novelty

_SAMPLE_LENGTH, _MEASURED_LENGTH = 600, 20_000  # characters


def push_model(
    checkpoint: Checkpoint,
    repository: str,
    text_license: str,
    *,
    private: bool,
    revision: str | None,
    corpus: str | None,
) -> str:
    """Upload the model of a checkpoint to `owner/name`; return the address of its page.

    `text_license` is that of the training text, which may have moved to `corpus`. Raises
    `CharrnnError`.
    """
    hub = import_hub()
    card = render_hub_card(checkpoint, repository, text_license, corpus)
    contents = {FILE: make_model_file(checkpoint, card), CARD: card.encode()}
    api = hub.HfApi(library_name="charrnn")
    try:
        address = api.create_repo(repository, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repository, branch=revision, exist_ok=True)
        api.create_commit(
            repository,
            [hub.CommitOperationAdd(name, data) for name, data in contents.items()],
            commit_message="Upload a charrnn model",
            revision=revision,
        )
    except Exception as error:
        raise explain_hub_error(error, f"{PREFIX}{repository}") from None
    return str(address)


def render_hub_card(
    checkpoint: Checkpoint, repository: str, text_license: str, corpus: str | None
) -> str:
    """Return the card of a model: its properties, a sample, copied text, and how to use it."""
    engine = engine_for_checkpoint(checkpoint, device="cpu")
    (sample,) = generate(engine, length=_SAMPLE_LENGTH, seed=1)
    copied = _describe_copied(checkpoint, corpus)
    return f"""\
---
license: {json.dumps(text_license)}
library_name: charrnn
pipeline_tag: text-generation
tags:
- charrnn
- {checkpoint.run.config.model.cell}
---

{render_model_card(checkpoint, FILE)}
The license of the training text is {text_license}.

## Use it with charrnn

```sh
charrnn sample {PREFIX}{repository}
```

## A sample

Seed 1, default settings:

{format_code_block(sample.strip())}

{copied}
"""


def _describe_copied(checkpoint: Checkpoint, corpus: str | None) -> str:
    text = _reopen(checkpoint, corpus)
    if text is None:
        return "How much the model copies from its training text was not measured."
    engine = engine_for_checkpoint(checkpoint, num_samples=10, device="cpu")
    texts = generate(engine, length=_MEASURED_LENGTH // 10, num_samples=10, seed=1)
    longest = max(measure_novelty(text_part, text).longest for text_part in texts)
    return (
        f"In {_MEASURED_LENGTH:,} generated characters, the longest passage that is copied from "
        f"the text has {format_count(longest, 'character')}."
    )


def _reopen(checkpoint: Checkpoint, corpus: str | None) -> Corpus | None:
    try:
        return TextReader(checkpoint).reopen(corpus)
    except CorpusError as error:
        print_message(
            "the card does not say how much the model copies: " + error.explain({"--corpus"})
        )
        return None
