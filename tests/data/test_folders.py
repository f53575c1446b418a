import os
import shutil
from pathlib import Path

import pytest

from charrnn.config.text import SEPARATOR, TextConfig
from charrnn.data.corpus import Corpus
from charrnn.data.corpus_notes import describe_corpus
from charrnn.errors import CorpusError
from tests.data.text_files import write

PHOTO = b"\xff\xd8\xff\xe0\0\x10JFIF"


def make_run(folder: str) -> None:
    write(f"{folder}/config.json", "{}")
    write(f"{folder}/metrics.jsonl", "{}")
    write(f"{folder}/step-00000010/state.json", "{}")


def read(source: str, **settings: object) -> str:
    corpus = Corpus.open(source, TextConfig(**settings))  # type: ignore[arg-type]
    return corpus.vocabulary.decode(corpus.codes)


def test_runs_hidden_files_and_other_files_are_skipped_and_reported() -> None:
    write("d/a.txt", "first")
    write("d/sub/b.txt", "second")
    write("d/photo.jpg", PHOTO)
    write("d/latin.txt", "caf\xe9".encode("latin-1"))
    write("d/late.txt", b"a" * 1_000_000 + b"\xff")
    write("d/zeros", bytes(100))
    write("d/.git/config", "hidden")
    write("d/.DS_Store", "hidden")
    make_run("d/checkpoints/r")
    make_run("d/old")
    corpus = Corpus.open("d")
    assert corpus.vocabulary.decode(corpus.codes) == f"first{SEPARATOR}second"
    assert describe_corpus(corpus) == (
        "skipped 2 runs: d/checkpoints/r, d/old",
        "skipped 2 hidden files and folders: d/.DS_Store, d/.git",
        "skipped 4 files that are not utf-8 text: d/late.txt, d/latin.txt, d/photo.jpg, and 1 more",
    )


def test_a_pattern_skips_the_same_files() -> None:
    write("d/a.txt", "first")
    write("d/photo.txt", PHOTO)
    make_run("d/r")
    corpus = Corpus.open("d/**/*")
    assert corpus.vocabulary.decode(corpus.codes) == "first"
    assert corpus.skipped == (
        "skipped 1 run: d/r",
        "skipped 1 file that is not utf-8 text: d/photo.txt",
    )


def test_the_same_documents_are_found_again_after_a_run_was_saved_in_the_folder() -> None:
    write("d/a.txt", "text")
    first = Corpus.open("d")
    make_run("d/r")
    write("d/photo.jpg", PHOTO)
    reopened = Corpus.reopen(first.record, first.vocabulary)
    assert reopened.sha256 == first.sha256
    assert len(reopened.skipped) == 2


def test_a_strict_folder_contains_only_text() -> None:
    write("d/a.txt", "text")
    write("d/.hidden", PHOTO)
    assert read("d", strict=True) == "text"
    write("d/photo.jpg", PHOTO)
    with pytest.raises(CorpusError, match=r"photo\.jpg is a JPEG image"):
        read("d", strict=True)


def test_the_encoding_decides_which_files_are_text() -> None:
    write("d/a.txt", "text".encode("utf-16"))
    write("d/b.txt", b"odd")
    assert read("d", encoding="utf-16") == "text"


def test_a_named_file_is_never_skipped() -> None:
    write("d/a.txt", "text")
    write("d/photo.jpg", PHOTO)
    with pytest.raises(CorpusError, match="is a JPEG image"):
        Corpus.open(["d/a.txt", "d/photo.jpg"])


def test_a_folder_without_text_names_what_it_contains() -> None:
    write("d/photo.jpg", PHOTO)
    with pytest.raises(CorpusError, match=r"without text files; skipped 1 file .*photo\.jpg"):
        Corpus.open("d")


@pytest.mark.parametrize("inside", ["", "/step-00000010"])
def test_a_run_is_not_a_text(inside: str) -> None:
    make_run("r")
    with pytest.raises(CorpusError, match=r"belongs to a run, .*`charrnn resume .*r`"):
        Corpus.open(f"r{inside}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_skipped() -> None:
    write("d/a.txt", "text")
    Path(write("d/secret.txt", "text")).chmod(0)
    assert Corpus.open("d").skipped == ("skipped 1 file that cannot be read: d/secret.txt",)


def test_links_are_followed_to_files_and_not_to_nowhere() -> None:
    write("d/a.txt", "text")
    os.symlink("nowhere", "d/dangling")
    assert read("d") == "text"
    shutil.rmtree("d")
