import dataclasses
import hashlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from charrnn.data import catalogue
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import decode_text, open_text
from charrnn.errors import CorpusError, VocabularyError


def test_the_held_out_part_is_the_last_tenth() -> None:
    corpus = Corpus.from_text("0123456789" * 3 + "xyz")
    training, held_out = corpus.split(0.1)
    assert len(training) == int(0.9 * 33)
    assert corpus.vocabulary.decode(held_out) == "9xyz"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("\x1c".join(["Title\nserve\nserve"] * 5), "T"),
        ("Ab\nb\x1cAb\nb\x1cBb\nb\x1c", "A"),
        ("a\x1cb\x1c b\x1c c", " "),  # white space at the start of a document counts
        ("a\x1c\nb\x1c\nb", "\n"),
        ("\x1c\x1c\x1ca", "a"),  # an empty document has no start
        ("a\n\x1cb\x1cb", "b"),
        ("\x1c", "\x1c"),
    ],
)
def test_the_start_of_documents_is_the_most_common_character_after_a_separator(
    text: str, start: str, tmp_path: Path
) -> None:
    assert Corpus.from_text(text).line_start == start
    (tmp_path / "documents.txt").write_text(text, "utf-8", newline="")
    assert Corpus.open(tmp_path / "documents.txt").line_start == start


def test_several_files_are_documents(tmp_path: Path) -> None:
    for number, text in enumerate(["Xa\nb\nb\n", "Xb\nb\n", "Yb\n"]):
        (tmp_path / f"{number}.txt").write_text(text, "utf-8")
    assert Corpus.open(tmp_path).line_start == "X"
    assert Corpus.open(tmp_path / "0.txt").line_start == "b"


def test_the_line_start_is_the_most_common_one_without_white_space() -> None:
    assert Corpus.from_text("b\n a\n a\nb\nc\n").line_start == "b"
    assert Corpus.from_text("once").line_start == "o"
    assert Corpus.from_text("a\nb\fc\nb").line_start == "b"  # a form feed separates no documents
    assert Corpus.from_text("\n\n \n").line_start == "\n"


def test_a_text_file_is_read_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "accents.txt"
    path.write_bytes("\ufeffÀ l'été,\r\n🙂\n".encode())
    corpus = Corpus.open(path)
    assert corpus.vocabulary.decode(corpus.codes) == "À l'été,\r\n🙂\n"
    assert corpus.name == "accents"
    assert corpus.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_bundled_text_is_opened_by_name() -> None:
    assert len(Corpus.open(catalogue.bundled_name()).codes) > 25_000


def test_a_folder_does_not_hide_a_text_of_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / catalogue.bundled_name()).mkdir()
    assert len(Corpus.open(catalogue.bundled_name()).codes) > 25_000


def test_a_text_of_the_catalogue_is_found_again_after_it_was_moved() -> None:
    corpus = Corpus.open(catalogue.bundled_name())
    moved = dataclasses.replace(corpus.record, path="/an/older/place.txt")
    assert Corpus.reopen(moved, corpus.vocabulary).sha256 == corpus.sha256


def test_a_file_takes_precedence_over_a_text_of_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / catalogue.bundled_name()).write_text("mine", encoding="utf-8")
    assert len(Corpus.open(catalogue.bundled_name()).codes) == 4


def test_standard_input_is_stored_so_that_a_run_can_be_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"piped text\n")))
    corpus = Corpus.open("-")
    assert corpus.name == "stdin"
    again = Corpus.reopen(corpus.record, corpus.vocabulary)
    assert np.array_equal(again.codes, corpus.codes)


def test_a_text_is_found_again_by_its_path_or_at_the_given_source(text_file: Path) -> None:
    corpus = Corpus.open(text_file)
    assert Corpus.reopen(corpus.record, corpus.vocabulary).sha256 == corpus.sha256
    moved = text_file.rename(text_file.with_name("moved.txt"))
    with pytest.raises(CorpusError, match=r"is not at .*verse.txt.* --corpus FILE"):
        Corpus.reopen(corpus.record, corpus.vocabulary)
    assert Corpus.reopen(corpus.record, corpus.vocabulary, moved).sha256 == corpus.sha256


def test_the_error_for_a_changed_text_gives_both_hashes(text_file: Path) -> None:
    corpus = Corpus.open(text_file)
    text_file.write_text("another text\n", encoding="utf-8")
    with pytest.raises(
        CorpusError, match=f"expected SHA-256 {corpus.sha256}, found [0-9a-f]{{64}}"
    ):
        Corpus.reopen(corpus.record, corpus.vocabulary)


def test_the_error_for_an_invalid_text_names_the_file_and_the_byte(tmp_path: Path) -> None:
    invalid = tmp_path / "latin1.txt"
    invalid.write_bytes(b"caf\xe9 au lait")
    (tmp_path / "none").mkdir()
    cases = {
        invalid: r"is not UTF-8 text: byte 0xe9 at offset 3",
        tmp_path / "none": "is a folder without files",
        tmp_path / "nowhere.txt": "there is no file .*nowhere.txt",
    }
    for path, sentence in cases.items():
        with pytest.raises(CorpusError, match=sentence):
            Corpus.open(path)
    with pytest.raises(CorpusError, match=r"there is no file .*nowhere\.txt"):
        decode_text(open_text(tmp_path / "nowhere.txt"))


def test_an_empty_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CorpusError, match=r"empty.txt is empty"):
        Corpus.open(tmp_path / "empty.txt")


def test_a_text_of_undecodable_characters_only_is_refused() -> None:
    with pytest.raises(CorpusError, match=r"every character of text is U\+FFFD"):
        Corpus.from_text("\ufffd" * 100)


def test_another_text_is_accepted_if_it_is_allowed_and_its_characters_are_known(
    text_file: Path,
) -> None:
    corpus = Corpus.open(text_file)
    for name, text in {"known.txt": "the wheel\n", "new.txt": "zebras? 2\n"}.items():
        Path(name).write_text(text, "utf-8")
    other = Corpus.reopen(corpus.record, corpus.vocabulary, "known.txt", allow_other=True)
    assert other.vocabulary == corpus.vocabulary
    assert (other.name, other.vocabulary.decode(other.codes)) == ("known", "the wheel\n")
    with pytest.raises(
        VocabularyError, match=r"new contains .* not in the vocabulary .*--init-from"
    ):
        Corpus.reopen(corpus.record, corpus.vocabulary, "new.txt", allow_other=True)
