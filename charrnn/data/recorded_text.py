"""The places where the text of a run may be, and the error if it is not there."""

from collections.abc import Sequence

from charrnn.config.text import ResolvedTextConfig
from charrnn.data import catalogue
from charrnn.data.cache import cached_text_path
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.sources import Documents, Source, find_documents
from charrnn.errors import CorpusError

_GIVE_PATH = ("give its path with --corpus FILE", "give the text with --novelty FILE")
"""The remedies if the text of a run is not found; no command has both options."""


def list_recorded_sources(record: CorpusRecord) -> list[Sequence[Source]]:
    """Return the sources where the text of a run may be: its paths, the cache, the catalog."""
    sources: list[Sequence[Source]] = [record.paths] if record.paths else []
    sources.append([cached_text_path(record.sha256)])
    if catalogue.find_text(record.name):
        sources.append([record.name])
    return sources


def make_not_found_error(
    record: CorpusRecord, candidates: list[Sequence[Source]], mismatch: tuple[Documents, str] | None
) -> CorpusError:
    """Return the error if no candidate is the text; `mismatch` is a wrong text that was found."""
    if not record.is_known:
        return CorpusError(
            "the file of this model does not say which text it was trained on",
            "give a text with --text FILE",
            "give the text with --novelty FILE",
            "to score a text, name it after the model",
            "export the run again with this version of charrnn",
        )
    if mismatch:
        documents, sha256 = mismatch
        return CorpusError(
            f"{' and '.join(documents.paths)} is not the text that this run was trained on: "
            f"expected SHA-256 {record.sha256}, found {sha256}",
            "restore the unchanged text",
            *_GIVE_PATH,
        )
    entry = catalogue.entries().get(record.name)
    if entry and not entry.path and entry.expected_sha256 in (None, record.sha256):
        return CorpusError(
            f"the text {record.name!r} of this run is not on this machine",
            f"download it with `charrnn corpora fetch {record.name}`",
            *_GIVE_PATH,
        )
    searched = " and ".join(str(source) for sources in candidates for source in sources)
    return CorpusError(
        f"the text {record.name!r} of this run is not at {searched}",
        "restore it there",
        *_GIVE_PATH,
    )


def find_or_none(sources: Sequence[Source], config: ResolvedTextConfig) -> Documents | None:
    """Find documents; return None if a source does not exist or cannot be read."""
    try:
        return find_documents(sources, config)
    except CorpusError:
        return None
