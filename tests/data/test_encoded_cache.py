import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config.text import TextConfig
from charrnn.data import encoded_cache, sources
from charrnn.data.batches import Batches
from charrnn.data.corpus import Corpus
from charrnn.data.formats import find_format
from charrnn.data.line_starts import LineStarts
from charrnn.data.progress import Reading
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.files import cache_folder
from tests.data.text_files import TEXT, list_copies, write


@pytest.mark.parametrize("chunk", range(1, 24))
def test_encoding_in_chunks_equals_encoding_in_memory(
    chunk: int, cache_all_texts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CHUNK", chunk)
    corpus, in_memory = Corpus.open(write("t.txt", TEXT)), Corpus.from_text(TEXT)
    assert np.array_equal(corpus.codes, in_memory.codes)
    assert corpus.codes.dtype == in_memory.codes.dtype
    assert (corpus.vocabulary, corpus.counts) == (in_memory.vocabulary, in_memory.counts)
    assert (corpus.line_start, corpus.sha256) == (in_memory.line_start, in_memory.sha256)
    assert not corpus.codes.flags.writeable  # it is the memory-mapped copy


def test_a_copy_is_made_once_and_used_again(
    cache_all_texts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Corpus.open(write("t.txt", TEXT))
    monkeypatch.setattr(encoded_cache, "_encode", None)
    reopened = Corpus.open("t.txt")
    assert np.array_equal(reopened.codes, first.codes)
    for field in ("vocabulary", "counts", "line_start", "num_distinct", "sha256"):
        assert getattr(reopened, field) == getattr(first, field)
    assert len(list_copies()) == 1


def test_a_copy_depends_on_the_content_and_the_settings(cache_all_texts: None) -> None:
    Corpus.open(write("t.txt", TEXT))
    Corpus.open(write("other name.txt", TEXT))
    assert len(list_copies()) == 1
    Corpus.open("t.txt", TextConfig(newline="lf"))
    assert len(list_copies()) == 2
    before = os.stat("t.txt")
    write("t.txt", TEXT.replace("vu", "uv"))
    os.utime("t.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = Corpus.open("t.txt")
    assert changed.vocabulary.decode(changed.codes) == TEXT.replace("vu", "uv")


def test_a_damaged_copy_is_replaced(cache_all_texts: None) -> None:
    Corpus.open(write("t.txt", TEXT))
    (copy,) = list_copies()
    os.truncate(copy / "codes", 3)
    corpus = Corpus.open("t.txt")
    assert corpus.vocabulary.decode(corpus.codes) == TEXT
    assert not corpus.codes.flags.writeable  # it is the new copy
    assert (copy / "codes").stat().st_size == len(TEXT)


def test_a_text_is_encoded_in_memory_if_no_copy_can_be_stored(cache_all_texts: None) -> None:
    write(str(cache_folder()), "a file where the folder should be")
    corpus = Corpus.open(write("t.txt", TEXT))
    assert corpus.vocabulary.decode(corpus.codes) == TEXT


def test_two_processes_can_encode_the_same_text_at_once() -> None:
    write("t.txt", TEXT * 100)
    command = [sys.executable, str(Path(__file__).with_name("encode_once.py"))]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0] == outputs[1] != b""
    assert len(list_copies()) == 1


def test_a_text_that_changes_while_it_is_read_is_an_error(cache_all_texts: None) -> None:
    def change(reading: Reading) -> None:
        if reading.task == "reading t":
            write("t.txt", TEXT.replace("vu", "uv"))

    with pytest.raises(CorpusError, match="t changed while charrnn read it"):
        Corpus.open(write("t.txt", TEXT), progress=change)
    assert list_copies() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "not of the disk")])
def test_an_exception_in_the_callback_ends_the_work_and_leaves_no_copy(
    cache_all_texts: None, error: BaseException
) -> None:
    calls = 0

    def interrupt(reading: Reading) -> None:
        nonlocal calls
        if reading.task == "encoding t" and reading.done > reading.total // 2:
            calls += 1
            raise error

    with pytest.raises(type(error)) as raised:
        Corpus.open(write("t.txt", TEXT), progress=interrupt)
    assert raised.value is error
    assert calls == 1
    assert list_copies() == []


def test_the_progress_of_a_large_text_is_reported_in_order(cache_all_texts: None) -> None:
    readings = list[Reading]()
    corpus = Corpus.open(write("t.txt", TEXT), progress=readings.append)
    Corpus.reopen(corpus.record, corpus.vocabulary, progress=readings.append)
    tasks = [reading.task for reading in readings]
    assert list(dict.fromkeys(tasks)) == ["reading t", "encoding t"]
    assert tasks[-1] == "reading t"  # by `reopen`, which finds the copy
    encoding = [reading for reading in readings if reading.task == "encoding t"]
    assert encoding == sorted(encoding)
    assert encoding[-1].done > encoding[-1].total // 2
    assert all(0 < reading.done <= reading.total for reading in readings)


def test_a_moved_text_is_found_by_its_content(cache_all_texts: None) -> None:
    corpus = Corpus.open(write("t.txt", TEXT))
    Path("t.txt").unlink()
    reopened = Corpus.reopen(corpus.record, corpus.vocabulary)
    assert np.array_equal(reopened.codes, corpus.codes)


def read_metadata(copy: Path) -> str:
    return (copy / "text.json").read_text(encoding="utf-8")


def test_a_copy_of_an_earlier_format_is_only_used_to_find_a_moved_text(
    cache_all_texts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "the end\nsix\nsix\x1cthe end\nsix\nsix"
    with monkeypatch.context() as earlier:
        earlier.setattr(encoded_cache._copy_path, "__defaults__", (1,))
        earlier.setattr(LineStarts, "most_common", lambda self: self._worker.close() or "s")
        corpus = Corpus.open(write("t.txt", text))
    assert corpus.line_start == "s"
    assert Corpus.open("t.txt").line_start == "t"
    Path("t.txt").unlink()
    (newer,) = [path for path in list_copies() if '"line_start": "t"' in read_metadata(path)]
    shutil.rmtree(newer)
    assert np.array_equal(Corpus.reopen(corpus.record, corpus.vocabulary).codes, corpus.codes)


def test_codes_are_translated_to_another_vocabulary_in_chunks(cache_all_texts: None) -> None:
    corpus = Corpus.open(write("t.txt", TEXT))
    translated = corpus.encode_with_extended(Vocabulary("zé"))
    assert translated.vocabulary.characters[:2] == ("z", "é")
    assert translated.vocabulary.decode(translated.codes) == TEXT


def test_released_pages_are_read_again(cache_all_texts: None) -> None:
    corpus = Corpus.open(write("t.txt", TEXT))
    before = corpus.codes.copy()
    encoded_cache.release_pages(corpus.codes[3:])
    assert np.array_equal(corpus.codes, before)
    batches = Batches(corpus.codes, 2, 4, seed=1)
    assert np.array_equal(batches.read_window(0), batches.read_window(0))


def test_rare_characters_are_counted_over_all_documents(cache_all_texts: None) -> None:
    corpus = Corpus.open([write("a", "aaab"), write("b", "aaac")], TextConfig(min_count=2))
    assert corpus.vocabulary.decode(corpus.codes) == "aaa\ufffd\x1caaa\ufffd"
    assert corpus.line_start == "a"
    extended = Corpus.open(["a", "b"], TextConfig(min_count=2), known=Vocabulary("x"))
    assert extended.vocabulary.decode(extended.codes) == "aaa\ufffd\x1caaa\ufffd"
    rare = Corpus.open(write("e", "Xa\nab\nX"), TextConfig(min_count=3), known=Vocabulary("ab\n"))
    assert rare.line_start == "a"
    rare_starts = Corpus.open([write("c", "1aa"), write("d", "2bb")], TextConfig(min_count=2))
    assert rare_starts.line_start == "a"
    with pytest.raises(
        CorpusError, match=r"occurs less than 99 times: .* give a smaller --min-count"
    ):
        Corpus.open("a", TextConfig(min_count=99))


def try_any_bytes(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None)
    @given(st.binary(max_size=24))
    def check(data: bytes) -> None:
        Path("any").write_bytes(data)
        try:
            text = data.decode().removeprefix("\ufeff")
        except UnicodeDecodeError:
            text = ""
        if text and find_format(data) is None:
            corpus = Corpus.open("any")
            assert corpus.vocabulary.decode(corpus.codes) == text
        else:
            with pytest.raises(CorpusError, match=r"^any is [^\n]*$"):
                Corpus.open("any")

    check()


def test_any_bytes_are_a_text_or_give_a_one_line_error() -> None:
    try_any_bytes(500)


@pytest.mark.slow
def test_ten_thousand_random_byte_strings() -> None:
    try_any_bytes(10_000)
    print("random byte strings tried as a text: 10,000")


@pytest.mark.slow
def test_two_gigabytes_train_in_600_megabytes() -> None:
    line = "".join(map(chr, range(32, 127))) + "\n"
    mixed = line * 9 + "Ça, déjà vu? 漢字 🙂 é\n"
    block = mixed.encode() * 1000
    with open("large.txt", "wb") as file:
        for _ in range(2_000_000_000 // len(block) + 1):
            file.write(block)
    result = subprocess.run(
        [sys.executable, Path(__file__).with_name("peak_memory.py")],
        capture_output=True,
        text=True,
        check=True,
        timeout=1800,
    )
    print(result.stdout)
    assert float(result.stdout) < 600


def test_a_process_can_leave_the_cache_unchanged(
    cache_all_texts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("t.txt", TEXT)
    monkeypatch.setattr(encoded_cache, "write_copies", False)
    assert np.array_equal(Corpus.open(path).codes, Corpus.from_text(TEXT).codes)
    assert list_copies() == []
    monkeypatch.setattr(encoded_cache, "write_copies", True)
    Corpus.open(path)
    assert len(list_copies()) == 1


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux lists mapped files")
def test_the_files_of_a_copy_are_not_mapped_while_it_is_renamed(
    cache_all_texts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows does not rename a folder with mapped files."""
    rename, renamed = Path.rename, list[Path]()

    def check_and_rename(self: Path, target: Path) -> Path:
        assert str(self) not in Path("/proc/self/maps").read_text()
        renamed.append(self)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", check_and_rename)
    Corpus.open(write("t.txt", TEXT))
    assert len(renamed) == 1
