"""Power losses while a file of the cache is written; see `tests.runs.disk_states`."""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from charrnn.data import sources
from charrnn.data.cache import cached_text_path
from charrnn.data.catalogue import CatalogueEntry
from charrnn.data.corpus import Corpus
from charrnn.data.downloads import fetch
from charrnn.data.encoded_cache import find_copy
from charrnn.errors import DownloadError
from tests.data.download_site import Site, make_entry
from tests.data.text_files import TEXT, write
from tests.runs.power_loss import PowerLoss
from tests.runs.recorded_disk import Recording, recorded, write_files

LONG_TEXT = "".join(f"line {number} of a text\n" for number in range(100)).encode()
SHA256 = hashlib.sha256(LONG_TEXT).hexdigest()

MAX_SUBSETS = 32


@pytest.fixture(autouse=True)
def _cache_in_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the current folder as the cache, and do not wait for the real disk."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(Path(name).absolute()))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def record(act: Callable[[], object]) -> Recording:
    """Record a function that writes to an empty cache; its return is marked."""
    Path("files").mkdir()
    with contextlib.chdir("files"), recorded(Path()) as recorder:
        act()
        recorder.mark("done")
    return recorder.recording


def check(recording: Recording, read: Callable[[], bool], repair: Callable[[], object]) -> None:
    """Search all points of a recording, then call `repair` with the files of some of the states.

    `read` returns whether a file is there, and raises if it is wrong.
    """
    power_loss = PowerLoss(read, MAX_SUBSETS)
    assert not power_loss.find_violation(recording, lambda found, marks: True)
    print(f"{power_loss.points} points, {power_loss.num_states:,} states")
    for number, snapshot in enumerate(power_loss.sample_states(30)):
        folder = Path(f"repaired-{number}")
        folder.mkdir()
        write_files(folder, snapshot)
        with contextlib.chdir(folder):
            repair()
            assert read()


def check_promise(recording: Recording, read: Callable[[], bool]) -> None:
    """Check that the file is there at the end, and that this needs every sync."""
    power_loss = PowerLoss(read, MAX_SUBSETS)

    def is_kept(found: bool, marks: set[str]) -> bool:
        return found or not marks

    assert not power_loss.find_violation(recording, is_kept)
    assert power_loss.list_unneeded_syncs(recording, is_kept) == []
    print(f"a violation without each of {len(recording.syncs())} syncs")


def read_encoded() -> bool:
    corpus = Corpus.from_text(TEXT)
    copy = find_copy(corpus.sha256, corpus.config)
    if copy is None:
        return False
    assert copy.codes.tolist() == corpus.codes.tolist()
    assert (copy.vocabulary, copy.counts) == (corpus.vocabulary, corpus.counts)
    return True


def test_an_encoded_copy_is_complete_or_made_again(cache_all_texts: None) -> None:
    path = Path(write("t.txt", TEXT)).absolute()
    recording = record(lambda: Corpus.open(path))
    check(recording, read_encoded, lambda: Corpus.open(path))
    (sync,) = recording.syncs()
    assert PowerLoss(read_encoded).find_violation(recording.without(sync), lambda *_: True)


def read_text(path: Path | None, text: bytes) -> bool:
    if path is None or not path.exists():
        return False
    assert path.read_bytes() == text
    return True


def test_the_copy_of_a_piped_text_is_there_from_then_on() -> None:
    def copy() -> None:
        sources._copy_to_cache(io.BytesIO(LONG_TEXT))

    def read() -> bool:
        return read_text(cached_text_path(SHA256), LONG_TEXT)

    recording = record(copy)
    check(recording, read, copy)
    check_promise(recording, read)


def read_download(entry: CatalogueEntry, text: bytes) -> bool:
    assert entry.expected_sha256 in (None, hashlib.sha256(text).hexdigest())
    return read_text(entry.path, text)


@pytest.mark.parametrize("source", ["whole", "zip"])
def test_a_download_is_there_from_then_on(site: Site, source: str) -> None:
    site.text = LONG_TEXT
    entry = make_entry(site, source, sha256=None, member="inside" if source == "zip" else None)
    recording = record(lambda: fetch(entry))
    check(recording, lambda: read_download(entry, LONG_TEXT), lambda: fetch(entry))
    check_promise(recording, lambda: read_download(entry, LONG_TEXT))


@pytest.mark.parametrize("sha256", [SHA256, None], ids=["known", "unknown"])
def test_an_interrupted_download_is_continued_or_repeated(site: Site, sha256: str | None) -> None:
    site.text, site.faults = LONG_TEXT, 2
    entry = make_entry(site, "cut", sha256=sha256)

    def interrupt() -> None:
        with pytest.raises(DownloadError, match="the connection ended"):
            fetch(entry)

    recording = record(interrupt)
    check(recording, lambda: read_download(entry, LONG_TEXT), lambda: fetch(entry))
    assert any(number for _, number in site.requests), "some parts were continued"


def test_a_collection_is_complete_or_downloaded_again(site: Site) -> None:
    site.text = LONG_TEXT
    entry = make_entry(site, "works/", sha256=None, files=("poem", "play"))
    whole = LONG_TEXT + b"\x1cACT I\n\nKING:\nSpeak.\n"
    recording = record(lambda: fetch(entry))
    check(recording, lambda: read_download(entry, whole), lambda: fetch(entry))
