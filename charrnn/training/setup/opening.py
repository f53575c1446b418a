"""Opens the text of a run; a stop request interrupts it."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from charrnn.config.text import DEFAULT_TEXT_CONFIG, ResolvedTextConfig, TextConfig
from charrnn.data import catalogue
from charrnn.data.corpus import Corpus
from charrnn.data.progress import ProgressCallback, Reading
from charrnn.data.sources import Source
from charrnn.data.vocabulary import Vocabulary
from charrnn.runs.find import find_run
from charrnn.runs.text_reader import TextReader, config_for_sources
from charrnn.training.distributed.group import SINGLE_PROCESS, Group


class _StopRequested(Exception):  # noqa: N818
    """A stop request came while the text was read."""


def open_unless_stopped(
    open_text: Callable[[ProgressCallback], Corpus],
    progress: ProgressCallback | None,
    stop: threading.Event,
    group: Group = SINGLE_PROCESS,
) -> Corpus | None:
    """Open a text with a progress callback.

    Return None in all processes if `stop` is set in one of them while the text is read.
    """

    def report(reading: Reading) -> None:
        if stop.is_set():
            raise _StopRequested
        if progress:
            progress(reading)

    text = None
    with contextlib.suppress(_StopRequested):
        text = open_text(report)
    return None if group.is_true_in_any(text is None) else text


def open_new_text(
    source: Corpus | Source | Sequence[Source] | None,
    given: TextConfig,
    init_from: str | None,
    group: Group = SINGLE_PROCESS,
    progress: ProgressCallback | None = None,
) -> Corpus:
    """Open the text of a new run, by default the bundled text; return a corpus as it is.

    If the run starts from the model of another run, the text is read as the text of that run,
    except for what is given, and the characters of that model stay in the vocabulary.
    """
    if isinstance(source, Corpus):
        return source
    inherited, characters = group.on_rank_zero(lambda: _find_inherited(init_from))
    sources = catalogue.bundled_name() if source is None else source
    sources = [sources] if isinstance(sources, (str, Path)) else sources
    config = config_for_sources(sources, given, given.resolve(inherited))
    known = Vocabulary(characters) if characters else None
    text = Corpus.open(sources, config, known=known, progress=progress)
    if not given.finds_documents or init_from is not None:
        return text
    return _read_as_documents_if_short(text)


def _read_as_documents_if_short(text: Corpus) -> Corpus:
    """Return the text as documents if it has many short ones, else as it is."""
    if text.config.document_separator not in text.vocabulary:
        return text
    config = dataclasses.replace(text.config, documents=True)
    as_documents = dataclasses.replace(text, config=config)
    documents = as_documents.documents
    return as_documents if documents is not None and documents.has_many_short else text


def _find_inherited(init_from: str | None) -> tuple[ResolvedTextConfig, tuple[str, ...]]:
    """Return how the text of the initial model was read, and its vocabulary."""
    if init_from is None:
        return DEFAULT_TEXT_CONFIG, ()
    reader = TextReader(find_run(init_from).select("best"))
    return reader.config, reader.vocabulary.characters
