import gzip
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from charrnn.config.text import SEPARATOR
from charrnn.data.corpus import Corpus
from charrnn.data.document import Document
from charrnn.data.sources import find_documents
from charrnn.errors import CorpusError
from tests.data.text_files import TEXT, write


def test_documents_are_separated_and_in_a_fixed_order() -> None:
    for name in ("d/b.txt", "d/a/z.txt", "d/a.txt", "d/.hidden", "d/.git/x"):
        write(name, name)
    write("d/empty.txt", "")

    def read(*sources: str) -> str:
        corpus = Corpus.open(sources)
        return corpus.vocabulary.decode(corpus.codes)

    assert read("d") == SEPARATOR.join(["d/a/z.txt", "d/a.txt", "d/b.txt"])
    assert read("d/*.txt") == SEPARATOR.join(["d/a.txt", "d/b.txt"])
    assert read("d/**/*.txt").count(SEPARATOR) == 2
    assert read("d/b.txt", "d/a") == SEPARATOR.join(["d/b.txt", "d/a/z.txt"])
    assert Corpus.open("d").name == "d"
    assert Corpus.open(["d/b.txt", "d/a"]).name == "b-and-1-more"
    assert Corpus.open(["d/b.txt", "d/a.txt"]).sha256 != Corpus.open("d/b.txt").sha256
    record = Corpus.open(["d/b.txt", "d/a"]).record
    assert [Path(path).name for path in (record.path, *record.more_paths)] == ["b.txt", "a"]
    reopened = Corpus.reopen(record, Corpus.open(["d/b.txt", "d/a"]).vocabulary)
    assert reopened.sha256 == record.sha256


def test_the_files_of_a_folder_are_sorted_by_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["c", "a", "d", "b"]
    for name in names:
        write(f"d/{name}", name)
    monkeypatch.setattr(os, "walk", lambda _: [("d", [], names)])
    corpus = Corpus.open("d")
    assert corpus.vocabulary.decode(corpus.codes) == SEPARATOR.join("abcd")


@pytest.mark.parametrize(
    ("file", "name"), [("a.b.txt", "a.b"), (".hidden.txt", "hidden"), ("...txt", "text")]
)
def test_the_name_of_a_text_does_not_start_with_a_dot(file: str, name: str) -> None:
    Path(file).write_text("text")
    assert find_documents([file]).name == name


def test_a_compressed_text_is_the_same_text() -> None:
    write("novel.txt", TEXT)
    write("novel.txt.gz", gzip.compress(TEXT.encode()))
    compressed, plain = Corpus.open("novel.txt.gz"), Corpus.open("novel.txt")
    assert (compressed.name, compressed.sha256) == (plain.name, plain.sha256)
    assert (compressed.vocabulary, compressed.counts) == (plain.vocabulary, plain.counts)
    assert np.array_equal(compressed.codes, plain.codes)
    write("cut.gz", gzip.compress(TEXT.encode())[:-9])
    write("not.gz", TEXT)
    for name in ("cut.gz", "not.gz"):
        with pytest.raises(CorpusError, match=f"{name} is not a complete .gz file"):
            Corpus.open(name)


def test_the_text_of_a_pipe_is_stored() -> None:
    os.mkfifo("pipe")
    thread = threading.Thread(target=Path("pipe").write_text, args=("from a pipe",))
    thread.start()
    corpus = Corpus.open("pipe")
    thread.join()
    assert corpus.vocabulary.decode(corpus.codes) == "from a pipe"
    assert Corpus.reopen(corpus.record, corpus.vocabulary).sha256 == corpus.sha256


def test_a_source_without_text_gives_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("bare").mkdir()
    write("void/a", "")
    write("void/b", "")
    cases = {
        "bare": "bare is a folder without files",
        "void": "all 2 files are empty",
        "/dev/null": "is a device, not a text",
        "*.nothing": "there is no file",
        "a\0b": "cannot be read",
        "x" * 5000: "cannot be read",
    }
    for source, message in cases.items():
        with pytest.raises(CorpusError, match=message):
            Corpus.open(source)
    with pytest.raises(CorpusError, match="no text was given: give a text file"):
        Corpus.open([])
    monkeypatch.setattr(Document, "path", property(lambda _: Path("gone")), raising=True)
    with pytest.raises(CorpusError, match=r"there is no file t\.txt"):
        Corpus.open(write("t.txt", TEXT))
