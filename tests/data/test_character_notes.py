from pathlib import Path

from charrnn.config.text import TextConfig
from charrnn.data.corpus import Corpus
from charrnn.data.corpus_notes import describe_corpus, describe_split


def test_characters_that_occur_only_in_the_held_out_text_are_listed() -> None:
    corpus = Corpus.from_text("abc def\n" * 500 + "XYZ" * 100)
    (note,) = describe_split(corpus, 0.1)
    assert note.startswith(
        "3 characters occur only in the held-out text (300 of its 430 characters), so the model "
        "cannot learn them: 'X' (U+0058), 'Y' (U+0059), 'Z' (U+005A); "
    )
    assert describe_split(corpus, 0.5) == (note.replace("430", "2,150"),)
    assert describe_split(Corpus.from_text("abc" * 100), 0.1) == ()
    (single,) = describe_split(Corpus.from_text("abc" * 100 + "é"), 0.1)
    assert single.startswith("1 character occurs only in the held-out text (1 of its 31")


def test_the_notes_of_a_text_with_the_codes_of_a_model_count_its_own_characters() -> None:
    vocabulary = Corpus.from_text("zyxabc\n").vocabulary
    corpus = Corpus.from_text("ab\nc" * 50 + "xx").encode_with(vocabulary)
    assert dict(zip(vocabulary.characters, corpus.counts, strict=True)) == {
        **{"a": 50, "b": 50, "c": 50, "\n": 50},
        **{"x": 2, "y": 0, "z": 0},
    }
    assert describe_corpus(corpus) == ()
    assert describe_split(corpus, 0.1)[0].startswith(
        "1 character occurs only in the held-out text (2"
    )


def test_control_characters_of_cp1252_are_noted() -> None:
    Path("t.txt").write_bytes("“so”, he said\n".encode("cp1252") * 10)
    corpus = Corpus.open("t.txt", TextConfig(encoding="latin-1"))
    (note,) = describe_corpus(corpus)
    assert note == (
        "the text contains 20 control characters from U+0080 to U+009F: the text was "
        "probably written in cp1252, so read it with --encoding cp1252"
    )
    assert describe_corpus(Corpus.open("t.txt", TextConfig(encoding="cp1252"))) == ()


def test_unusual_documents_are_noted() -> None:
    config = TextConfig(document_separator="|")
    Path("t.txt").write_text("|ab||" + "c" * 9 + "|def|")
    assert describe_corpus(Corpus.open("t.txt", config)) == (
        "the text has 3 documents, with a median length of 3 characters",
        "2 empty documents were left out",
        "one document, of 9 characters, is longer than all others together, so most steps "
        "read it alone, which is slow: divide this document, or read the text as one stream",
    )
    Path("t.txt").write_text("ab||cde|fgh")
    _, note = describe_corpus(Corpus.open("t.txt", config))
    assert note == "1 empty document was left out"
