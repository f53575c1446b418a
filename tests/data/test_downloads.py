import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from charrnn.data import catalogue, downloads
from charrnn.data.cache import downloads_folder
from charrnn.data.catalogue import CatalogueEntry
from charrnn.data.corpus import Corpus
from charrnn.data.downloads import fetch
from charrnn.data.progress import Reading
from charrnn.errors import DownloadError
from tests.data.download_site import SHA256, TEXT, Handler, Site, make_entry


def downloaded_files() -> list[str]:
    """Return the names of the files in the folder of downloads, without locks."""
    return sorted(path.name for path in downloads_folder().iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize("path", ["whole", "moved", "busy"])
def test_a_text_is_downloaded_once(site: Site, path: str) -> None:
    catalogue_entry = make_entry(site, path)
    assert catalogue_entry.path is None
    readings = list[Reading]()
    fetch(catalogue_entry, readings.append)
    assert readings[-1].done == readings[-1].total == len(TEXT)
    assert catalogue_entry.path
    assert catalogue_entry.path.read_bytes() == TEXT
    assert downloaded_files() == ["far.json", "far.txt"]
    num_requests = len(site.requests)
    assert fetch(catalogue_entry) == catalogue_entry.path
    assert len(site.requests) == num_requests


@pytest.mark.parametrize("error", [BrokenPipeError(32, "closed"), OSError(5, "fault", "a file")])
def test_an_error_of_the_callback_is_not_handled_as_one_of_the_network_or_the_disk(
    site: Site, error: OSError
) -> None:
    def fail(reading: Reading) -> None:
        raise error

    with pytest.raises(OSError, match=r"closed|fault") as raised:
        fetch(make_entry(site, "whole"), fail)
    assert raised.value is error
    assert len(site.requests) == 1


def test_a_partial_answer_that_was_not_requested_is_not_used_as_the_text(site: Site) -> None:
    assert fetch(make_entry(site, "partial", sha256=None)).read_bytes() == TEXT
    assert site.requests == [("partial", None), ("partial", None)]


def test_another_version_is_never_appended(site: Site) -> None:
    downloads_folder().mkdir(parents=True)
    (downloads_folder() / "far.part").write_bytes(TEXT[:10])
    mark = {"url": site.url("changed"), "version": '"one"'}
    (downloads_folder() / "far.mark").write_text(json.dumps(mark))
    assert fetch(make_entry(site, "changed")).read_bytes() == TEXT
    assert site.requests == [("changed", "bytes=10-"), ("changed", None)]


def test_a_new_version_replaces_a_partial_download_of_an_old_one(site: Site) -> None:
    downloads_folder().mkdir(parents=True)
    (downloads_folder() / "far.part").write_bytes(b"of an old version")
    assert fetch(make_entry(site, "whole")).read_bytes() == TEXT
    assert site.requests == [("whole", None)]


def test_an_interrupted_download_continues_where_it_stopped(site: Site) -> None:
    path = fetch(make_entry(site, "cut"))
    assert path.read_bytes() == TEXT
    assert site.requests == [("cut", None), ("cut", f"bytes={len(TEXT) // 2}-")]


def test_a_later_call_continues_an_interrupted_download(site: Site) -> None:
    site.faults = 2
    with pytest.raises(DownloadError, match="the connection ended before"):
        fetch(make_entry(site, "cut"))
    assert downloaded_files() == ["far.mark", "far.part"]
    num_bytes = (downloads_folder() / "far.part").stat().st_size
    fetch(make_entry(site, "cut"))
    assert site.requests[-1] == ("cut", f"bytes={num_bytes}-")
    assert downloaded_files() == ["far.json", "far.txt"]


def test_a_damaged_part_is_downloaded_again(site: Site) -> None:
    downloads_folder().mkdir(parents=True)
    for sha256, requests in (
        (SHA256, [("whole", "bytes=10-"), ("whole", None)]),
        (None, [("whole", None)]),
    ):
        (downloads_folder() / "far.part").write_bytes(bytes(10))
        mark = {"url": site.url("whole"), "version": '"one"'}
        (downloads_folder() / "far.mark").write_text(json.dumps(mark), "utf-8")
        site.requests.clear()
        path = fetch(make_entry(site, "whole", sha256=sha256))
        assert path.read_bytes() == TEXT
        assert site.requests == requests
        for file in downloads_folder().iterdir():
            file.unlink()


def test_a_partial_download_of_another_version_is_not_continued(site: Site) -> None:
    downloads_folder().mkdir(parents=True)
    (downloads_folder() / "far.part").write_bytes(b"an older version")
    mark = {"url": site.url("whole"), "version": '"zero"'}
    (downloads_folder() / "far.mark").write_text(json.dumps(mark), "utf-8")
    assert fetch(make_entry(site, "whole")).read_bytes() == TEXT


def test_mirrors_are_tried_in_order(site: Site) -> None:
    assert fetch(make_entry(site, "missing", "wrong", "whole")).read_bytes() == TEXT
    assert [path for path, _ in site.requests] == ["missing", "wrong", "whole"]


def test_the_error_for_a_wrong_text_gives_both_hashes(site: Site) -> None:
    actual = hashlib.sha256(TEXT[::-1]).hexdigest()
    with pytest.raises(DownloadError, match=f"expected SHA-256 {SHA256}, found {actual}"):
        fetch(make_entry(site, "wrong"))
    with pytest.raises(DownloadError, match="but 7 were expected"):
        fetch(make_entry(site, "whole", bytes=7))
    assert [name for name in downloaded_files() if name != "far.mark"] == []


def test_without_a_checksum_the_first_download_is_recorded(site: Site) -> None:
    without_checksum = make_entry(site, "whole", sha256=None)
    assert without_checksum.expected_sha256 is None
    fetch(without_checksum).unlink()
    assert without_checksum.expected_sha256 == SHA256
    with pytest.raises(DownloadError, match=f"expected SHA-256 {SHA256}"):
        fetch(make_entry(site, "wrong", sha256=None))


def test_a_text_is_unpacked_from_its_archive(site: Site) -> None:
    assert fetch(make_entry(site, "zip", member="inside")).read_bytes() == TEXT
    assert downloaded_files() == ["far.json", "far.txt"]
    (downloads_folder() / "far.txt").unlink()
    with pytest.raises(DownloadError, match=r"is not a \.zip that contains other"):
        fetch(make_entry(site, "zip", member="other"))


def make_collection(site: Site, *files: str, **fields: Any) -> CatalogueEntry:
    return make_entry(site, "works/", files=files, **{"sha256": None, **fields})


def test_the_works_of_a_collection_are_converted_and_joined(site: Site) -> None:
    readings = list[Reading]()
    path = fetch(make_collection(site, "poem", "play"), readings.append)
    assert path.read_bytes() == TEXT + b"\x1cACT I\n\nKING:\nSpeak.\n"
    assert downloaded_files() == ["far.json", "far.txt"]
    assert [reading.task for reading in readings] == ["downloading far"] * len(readings)
    assert readings[-1].done == len(TEXT) + len("\tACT I\n\nKING\tSpeak.\n")
    assert [reading.done for reading in readings] == sorted(reading.done for reading in readings)


def test_an_interrupted_collection_continues_with_the_missing_works(site: Site) -> None:
    with pytest.raises(DownloadError, match="far/missing could not be downloaded"):
        fetch(make_collection(site, "play", "missing"))
    path = fetch(make_collection(site, "play", "poem"))
    assert path.read_bytes().endswith(TEXT)
    assert [path for path, _ in site.requests].count("works/play.txt") == 1


def test_a_wrong_collection_is_removed_with_its_works(site: Site) -> None:
    with pytest.raises(DownloadError, match=f"expected SHA-256 {SHA256}"):
        fetch(make_collection(site, "play", sha256=SHA256))
    assert downloaded_files() == []


def test_the_error_without_a_network_names_texts_that_need_none(site: Site) -> None:
    catalogue_entry = make_entry(site, "missing", "busy")
    site.faults = 9
    with pytest.raises(
        DownloadError, match=r"404 Not Found.*Service Unavailable.*train python"
    ) as raised:
        fetch(catalogue_entry)
    assert "\n" not in str(raised.value)


def test_a_server_that_does_not_answer_is_an_error(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_TIMEOUT", 0.05)
    monkeypatch.setattr(Handler, "do_GET", lambda _: threading.Event().wait(0.3))
    with pytest.raises(DownloadError, match="timed out"):
        fetch(make_entry(site, "whole"))


def test_the_error_names_a_folder_that_cannot_store_the_download(site: Site) -> None:
    downloads_folder().parent.mkdir(parents=True)
    downloads_folder().write_text("a file", "utf-8")
    with pytest.raises(DownloadError, match="cannot be stored in"):
        fetch(make_entry(site, "whole"))


def test_a_text_of_the_catalogue_is_downloaded_when_it_is_opened(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue.entries(), "far", make_entry(site, "whole"))
    corpus = Corpus.open("far")
    assert (corpus.name, corpus.sha256) == ("far", SHA256)
    assert Corpus.reopen(corpus.record, corpus.vocabulary).sha256 == SHA256
    assert len(site.requests) == 1


def test_the_source_code_of_python_is_a_text() -> None:
    corpus = Corpus.open("python")
    assert (corpus.name, corpus.path) == ("python", "python")
    assert len(corpus.codes) > 9_000_000
    (Path("python")).mkdir()
    assert Corpus.reopen(corpus.record, corpus.vocabulary).sha256 == corpus.sha256
