import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest

from charrnn.analysis.scoring import score
from charrnn.config.sampling import SampleConfig
from charrnn.config.text import ReadingConfig, TextConfig
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import open_text
from charrnn.errors import CorpusError, UnknownCharactersWarning, VocabularyError
from charrnn.runs.find import find_run
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.text_reader import TextReader
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.loop import generate, stream
from charrnn.sampling.novelty import measure_novelty
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING

FRENCH = "Déjà vu: l'été dernier,\r\nà Genève, nous avons mangé.\r\n"
LINES = FRENCH.replace("\r\n", "\n")


@pytest.fixture
def reader() -> TextReader:
    """Read texts as a run on a text in cp1252 whose line ends are converted."""
    Path("fr.txt").write_bytes((FRENCH * 20).encode("cp1252"))
    text = TextConfig(encoding="cp1252", newline="lf")
    list(train("fr.txt", TINY_TRAINING, TINY_MODEL, text, out_dir="run"))
    return open_reader("run")


def open_reader(run: str, **given: str) -> TextReader:
    return TextReader(find_run(run).select("last"), ReadingConfig(**given))  # type: ignore[arg-type]


def test_every_text_is_read_as_the_text_of_the_run(
    reader: TextReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = FRENCH.encode("cp1252")
    Path("other.txt").write_bytes(data)
    assert reader.read("other.txt") == LINES
    assert reader.vocabulary.decode(reader.read_codes("other.txt")) == LINES
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    piped = open_text("-")
    assert [reader.read(piped), reader.read(piped)] == [LINES, LINES]
    assert reader.convert(FRENCH) == LINES
    corpus = reader.open_corpus("other.txt")
    assert corpus.vocabulary.decode(corpus.codes) == LINES
    assert measure_novelty(LINES, corpus).longest == len(LINES)
    training, held_out = reader.split()
    assert reader.vocabulary.decode([*training, *held_out]) == LINES * 20


def test_what_is_given_takes_precedence_over_the_run(reader: TextReader) -> None:
    Path("other.txt").write_text(FRENCH, "utf-8", newline="")
    assert open_reader("run", encoding="utf-8").read("other.txt") == LINES
    with pytest.raises(CorpusError, match="it looks like utf-8: read it with --encoding utf-8"):
        reader.read("other.txt")
    kept = open_reader("run", encoding="utf-8", newline="keep")
    assert kept.read("other.txt") == FRENCH
    with pytest.raises(VocabularyError, match=r"other.txt: .* carriage return \(U\+000D\)"):
        kept.read_codes("other.txt")


@pytest.mark.parametrize(("text", "count"), [("", "0 characters"), ("é", "1 character")])
def test_a_text_that_is_too_short_is_named(reader: TextReader, text: str, count: str) -> None:
    Path("short.txt").write_bytes(text.encode("cp1252"))
    with pytest.raises(CorpusError, match=rf"^short\.txt has {count}, but at least 2 are needed"):
        reader.read_codes("short.txt")


def test_a_text_of_the_catalogue_is_utf_8(reader: TextReader) -> None:
    assert reader.open_corpus("low-hundreds").config.encoding == "utf-8"
    Path("low-hundreds").write_bytes(FRENCH.encode("cp1252"))
    assert reader.open_corpus("low-hundreds").config.encoding == "cp1252"


def test_the_vocabulary_of_the_run_decides_which_characters_are_rare() -> None:
    Path("t.txt").write_text("abcd\n" * 100 + "xy", "utf-8")
    list(train("t.txt", TINY_TRAINING, TINY_MODEL, TextConfig(min_count=2), out_dir="run"))
    Path("other.txt").write_text("axbz\n" * 60, "utf-8")
    reader = open_reader("run")
    with pytest.warns(UnknownCharactersWarning, match="120 of 300 characters"):
        codes = reader.read_codes("other.txt")
    assert reader.vocabulary.decode(codes) == "a\ufffdb\ufffd\n" * 60
    corpus = reader.open_corpus("other.txt")  # compares real characters
    assert corpus.vocabulary.decode(corpus.codes) == "axbz\n" * 60
    Path("rare.txt").write_text("a" + "bcd\n" * 90, "utf-8")  # here, `a` is rare
    list(
        resume(
            "run", corpus="rare.txt", budget=dataclasses.replace(TINY_TRAINING.limits, max_steps=32)
        )
    )
    training, held_out = open_reader("run").split()
    assert open_reader("run").vocabulary.decode([*training, *held_out]) == "a" + "bcd\n" * 90


def test_a_resume_with_another_text_records_how_it_is_read(reader: TextReader) -> None:
    Path("utf8.txt").write_text(FRENCH * 15, "utf-8", newline="")
    budget = dataclasses.replace(TINY_TRAINING.limits, max_steps=32)
    list(resume("run", budget, corpus="utf8.txt", reading=ReadingConfig(encoding="utf-8")))
    checkpoint = find_run("run").select("last")
    state = json.loads((checkpoint.path / "state.json").read_text("utf-8"))
    assert state["text"] == {
        "encoding": "utf-8",
        "newline": "lf",
        "min_count": 1,
        "documents": False,
        "document_separator": "\x1c",
        "strict": False,
    }
    again = open_reader("run")
    assert (again.config.encoding, again.record.name) == ("utf-8", "utf8")
    training, held_out = again.split()
    assert again.vocabulary.decode([*training, *held_out]) == LINES * 15
    list(resume("run", dataclasses.replace(budget, max_steps=34)))
    assert Progress.from_checkpoint(find_run("run").select("last")).text == again.config


def test_the_same_bytes_in_another_encoding_are_another_text() -> None:
    Path("t.txt").write_bytes(("caf\xe9 au lait\n" * 50 + "\x94\xe9").encode("latin-1"))
    list(train("t.txt", TINY_TRAINING, TINY_MODEL, TextConfig(encoding="cp1252"), out_dir="run"))
    budget = dataclasses.replace(TINY_TRAINING.limits, max_steps=32)
    with pytest.raises(VocabularyError, match=r"1 character that is not in the vocab.*: U\+0094"):
        list(resume("run", budget, reading=ReadingConfig(encoding="latin-1")))
    events = list(resume("run", budget, reading=ReadingConfig(encoding="windows-1252")))
    assert events[0].other_text is False  # type: ignore[union-attr]


def test_a_run_from_an_initial_model_reads_its_text_like_that_model() -> None:
    Path("first.txt").write_bytes(("ébcd\r\n" * 100 + "xy").encode("cp1252"))
    first = TextConfig(encoding="cp1252", newline="lf", min_count=2)
    list(train("first.txt", TINY_TRAINING, TINY_MODEL, first, out_dir="first"))
    text = "éb\n" + "cdz\n" * 90 + "q"  # `é` is rare, but the model knows it
    Path("second.txt").write_bytes(text.replace("\n", "\r\n").encode("cp1252"))
    list(train("second.txt", TINY_TRAINING, out_dir="second", init_from="first"))
    reader = open_reader("second")
    assert dataclasses.asdict(reader.config) == dataclasses.asdict(open_reader("first").config)
    assert reader.vocabulary.characters == (*open_reader("first").vocabulary.characters, "z")
    training, held_out = reader.split()
    assert reader.vocabulary.decode([*training, *held_out]) == text[:-1] + "\ufffd"
    given = TextConfig(encoding="latin-1", min_count=1)
    list(train("second.txt", TINY_TRAINING, None, given, out_dir="third", init_from="first"))
    third = open_reader("third")
    assert (third.config.encoding, third.config.newline) == ("latin-1", "lf")
    assert third.vocabulary.characters[-2:] == ("q", "z")


def test_an_encoding_that_the_vocabulary_suggests_is_named() -> None:
    Path("ru.txt").write_bytes("Князь Андрей вошёл и сел.\n".encode("cp1251") * 30)
    list(train("ru.txt", TINY_TRAINING, TINY_MODEL, TextConfig(encoding="cp1251"), out_dir="run"))
    Path("dos.txt").write_bytes("Князь Андрей вошёл и сел.\n".encode("cp866") * 30)
    with pytest.raises(VocabularyError, match="it looks like cp866: read it with --encoding cp866"):
        open_reader("run").read_codes("dos.txt")
    assert open_reader("run", encoding="cp866").read("dos.txt").startswith("Князь Андрей")


@pytest.mark.parametrize("text", ["\0", " ", "\n", "\r", "\x01\x02\n", "ab\0cd\0", "\ud800a"])
def test_a_text_of_unusual_characters_can_be_trained_on(text: str) -> None:
    list(train(Corpus.from_text(text * 400), TINY_TRAINING, TINY_MODEL, out_dir="run"))
    run = find_run("run")
    assert run.config.corpus.line_start in run.config.vocabulary
    assert Progress.from_checkpoint(run.select("best")).step > 0


def test_line_ends_that_a_run_cannot_read_have_a_remedy() -> None:
    Path("lf.txt").write_text("one two\n" * 100, newline="")
    Path("crlf.txt").write_text("one two\r\n" * 100, newline="")
    list(train("lf.txt", TINY_TRAINING, TINY_MODEL, out_dir="run"))
    with pytest.raises(VocabularyError, match="convert its line ends with --newline lf"):
        open_reader("run").read_known("crlf.txt")
    with pytest.raises(VocabularyError, match="convert its line ends with --newline lf"):
        open_reader("run").reopen("crlf.txt", allow_other=True)
    with pytest.warns(UnknownCharactersWarning, match="crlf has carriage returns.* --newline lf"):
        open_reader("run").open_corpus("crlf.txt")
    converted = open_reader("run", newline="lf")
    assert converted.read_known("crlf.txt")[0] == "one two\n" * 100
    assert measure_novelty("one two\n" * 5, converted.open_corpus("crlf.txt")).longest == 40


def test_many_characters_that_are_read_as_the_unknown_symbol_give_a_warning() -> None:
    Path("lf.txt").write_text("one two\n" * 100 + "x", newline="")
    Path("crlf.txt").write_text("one two\r\n" * 100, newline="")
    list(train("lf.txt", TINY_TRAINING, TINY_MODEL, TextConfig(min_count=2), out_dir="run"))
    reader = open_reader("run")
    assert len(reader.read_codes("lf.txt")) == 801  # one rare character: no warning
    expected = (
        r"100 of 900 characters of crlf.txt .* \(carriage return \(U\+000D\)\): convert its line "
        "ends with --newline lf"
    )
    with pytest.warns(UnknownCharactersWarning, match=expected):
        reader.read_codes("crlf.txt")


def test_an_empty_text_is_named(reader: TextReader) -> None:
    Path("empty.txt").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"empty\.txt has 0 characters"):
        reader.read_codes("empty.txt")
    assert reader.read_known("empty.txt")[0] == ""


def test_the_remedy_for_one_of_several_texts_fits_all(reader: TextReader) -> None:
    Path("latin.txt").write_bytes(FRENCH.encode("cp1252"))
    Path("utf8.txt").write_bytes(FRENCH.encode())
    texts = [(name, open_text(name)) for name in ("latin.txt", "utf8.txt")]
    expected = "it looks like utf-8: convert the other texts to UTF-8 too, and use --encoding utf-8"
    with pytest.raises(CorpusError, match=expected):
        list(reader.encode_texts(texts, None, "error"))


@pytest.mark.usefixtures("reader")
def test_functions_convert_the_line_ends_of_a_text_as_the_run_does() -> None:
    assert score("run", FRENCH) == score("run", LINES)
    settings = SampleConfig(length=20, seed=1)
    assert generate("run", FRENCH, settings) == generate("run", LINES, settings)
    streamed = "".join(stream("run", FRENCH, settings))
    assert [streamed] == generate("run", LINES, settings)
    stops = [dataclasses.replace(settings, stop=stop, length=200) for stop in ("\r\n", "\n")]
    assert generate("run", LINES, stops[0]) == generate("run", LINES, stops[1])
    assert "\n" not in generate("run", LINES, stops[0])[0]
    engine = engine_for_checkpoint(Run.open(Path("run")).select("best"))
    assert generate("run", LINES, settings) == generate(engine, LINES, settings)
