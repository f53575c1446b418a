"""Notes on a corpus: sentences about what is unusual in it, with advice."""

import numpy as np

from charrnn.config.counts import format_count
from charrnn.data.character_notes import (
    CharacterFacts,
    count_codes_inside,
    describe_held_out_only,
    describe_unusual_characters,
)
from charrnn.data.corpus import Corpus
from charrnn.data.document_index import DocumentIndex
from charrnn.data.encoded_cache import release_pages


def describe_corpus(corpus: Corpus) -> tuple[str, ...]:
    """Return a sentence for each kind of skipped files, and for what is unusual in the text."""
    unusual = describe_unusual_characters(
        CharacterFacts(
            dict(zip(corpus.vocabulary.characters, corpus.counts, strict=False)),
            corpus.num_distinct,
            corpus.config.min_count,
            corpus.config.codec,
        )
    )
    documents = corpus.documents
    return (*corpus.skipped, *unusual, *(describe_documents(documents) if documents else ()))


def describe_documents(documents: DocumentIndex) -> tuple[str, ...]:
    """Return a sentence about the documents of a text, and one for each unusual property."""
    lengths_D = documents.lengths
    if not len(lengths_D):
        return ()
    notes = [
        f"the text has {format_count(len(lengths_D), 'document')}, with a median length of "
        f"{format_count(round(float(np.median(lengths_D))), 'character')}"
    ]
    if documents.num_empty:
        empty = format_count(documents.num_empty, "empty document")
        notes.append(f"{empty} {'was' if documents.num_empty == 1 else 'were'} left out")
    longest = int(lengths_D.max())
    if longest > lengths_D.sum() - longest:
        notes.append(
            f"one document, of {format_count(longest, 'character')}, is longer than all others "
            "together, so most steps read it alone, which is slow: divide this document, or read "
            "the text as one stream"
        )
    return tuple(notes)


def describe_split(corpus: Corpus, val_fraction: float) -> tuple[str, ...]:
    """Return a sentence about the characters that occur only in the held-out part, if any."""
    if len(corpus.counts) < len(corpus.vocabulary):  # not counted
        return ()
    held_out = corpus.split(val_fraction)[1]
    counts = count_codes_inside(held_out, corpus.counts)
    release_pages(held_out)
    characters = {corpus.vocabulary.characters[code]: count for code, count in counts.items()}
    return describe_held_out_only(characters, len(held_out))
