import os
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
from charrnn.data.progress import Reading
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.files import cache_folder
from tests.data.text_files import TEXT, copies, write


@pytest.mark.parametrize("chunk", range(1, 24))
def test_encoding_in_chunks_equals_encoding_in_memory(
    chunk: int, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CHUNK", chunk)
    corpus, whole = Corpus.open(write("t.txt", TEXT)), Corpus.from_text(TEXT)
    assert np.array_equal(corpus.codes, whole.codes)
    assert corpus.codes.dtype == whole.codes.dtype
    assert (corpus.vocabulary, corpus.counts) == (whole.vocabulary, whole.counts)
    assert (corpus.line_start, corpus.sha256) == (whole.line_start, whole.sha256)
    assert not corpus.codes.flags.writeable  # it is the copy, mapped


def test_a_copy_is_made_once_and_used_again(kept: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Corpus.open(write("t.txt", TEXT))
    monkeypatch.setattr(encoded_cache, "_encode", None)
    again = Corpus.open("t.txt")
    assert np.array_equal(again.codes, first.codes)
    for field in ("vocabulary", "counts", "line_start", "distinct", "sha256"):
        assert getattr(again, field) == getattr(first, field)
    assert len(copies()) == 1


def test_content_and_the_way_it_is_read_decide_about_the_copy(kept: None) -> None:
    Corpus.open(write("t.txt", TEXT))
    Corpus.open(write("other name.txt", TEXT))
    assert len(copies()) == 1
    Corpus.open("t.txt", TextConfig(newline="lf"))
    assert len(copies()) == 2
    before = os.stat("t.txt")
    write("t.txt", TEXT.replace("vu", "uv"))
    os.utime("t.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = Corpus.open("t.txt")
    assert changed.vocabulary.decode(changed.codes) == TEXT.replace("vu", "uv")


def test_a_damaged_copy_is_made_anew(kept: None) -> None:
    Corpus.open(write("t.txt", TEXT))
    (copy,) = copies()
    os.truncate(copy / "codes", 3)
    corpus = Corpus.open("t.txt")
    assert corpus.vocabulary.decode(corpus.codes) == TEXT


def test_without_a_place_for_a_copy_memory_has_to_do(kept: None) -> None:
    write(str(cache_folder()), "a file where the folder should be")
    corpus = Corpus.open(write("t.txt", TEXT))
    assert corpus.vocabulary.decode(corpus.codes) == TEXT


def test_two_processes_encode_the_same_text_at_once() -> None:
    write("t.txt", TEXT * 100)
    command = [sys.executable, str(Path(__file__).with_name("encode_once.py"))]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [each.communicate(timeout=60)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert outputs[0] == outputs[1] != b""
    assert len(copies()) == 1


def test_a_text_that_changes_while_it_is_read_is_refused(kept: None) -> None:
    def change(reading: Reading) -> None:
        if reading.task == "looking at t":
            write("t.txt", TEXT.replace("vu", "uv"))

    with pytest.raises(CorpusError, match="t changed while it was read"):
        Corpus.open(write("t.txt", TEXT), progress=change)
    assert copies() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "not of the disk")])
def test_an_exception_in_the_callback_ends_the_work_and_leaves_no_copy(
    kept: None, error: BaseException
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
    assert copies() == []


def test_the_progress_of_a_large_text_is_reported_in_order(kept: None) -> None:
    readings = list[Reading]()
    corpus = Corpus.open(write("t.txt", TEXT), progress=readings.append)
    Corpus.reopen(corpus.record, corpus.vocabulary, progress=readings.append)
    tasks = [reading.task for reading in readings]
    assert list(dict.fromkeys(tasks)) == ["looking at t", "encoding t"]
    assert tasks[-1] == "looking at t"  # by `reopen`, which finds the copy
    encoding = [reading for reading in readings if reading.task == "encoding t"]
    assert encoding == sorted(encoding)
    assert encoding[-1].done > encoding[-1].total // 2
    assert all(0 < reading.done <= reading.total for reading in readings)


def test_a_moved_text_is_found_by_its_content(kept: None) -> None:
    corpus = Corpus.open(write("t.txt", TEXT))
    Path("t.txt").unlink()
    again = Corpus.reopen(corpus.record, corpus.vocabulary)
    assert np.array_equal(again.codes, corpus.codes)


def test_another_vocabulary_translates_in_chunks(kept: None) -> None:
    corpus = Corpus.open(write("t.txt", TEXT))
    adapted = corpus.encode_with_extended(Vocabulary("zé"))
    assert adapted.vocabulary.characters[:2] == ("z", "é")
    assert adapted.vocabulary.decode(adapted.codes) == TEXT


def test_pages_that_were_let_go_are_read_again(kept: None) -> None:
    corpus = Corpus.open(write("t.txt", TEXT))
    before = corpus.codes.copy()
    encoded_cache.release_pages(corpus.codes[3:])
    assert np.array_equal(corpus.codes, before)
    batches = Batches(corpus.codes, 2, 4, seed=1)
    assert np.array_equal(batches.read_window(0), batches.read_window(0))


def test_rare_characters_are_folded_over_documents(kept: None) -> None:
    corpus = Corpus.open([write("a", "aaab"), write("b", "aaac")], TextConfig(min_count=2))
    assert corpus.vocabulary.decode(corpus.codes) == "aaa\ufffd\ufffdaaa\ufffd"
    with pytest.raises(CorpusError, match="occurs less than 99 times: give a smaller --min-count"):
        Corpus.open("a", TextConfig(min_count=99))


def try_any_bytes(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None)
    @given(st.binary(max_size=24))
    def judge(data: bytes) -> None:
        Path("any").write_bytes(data)
        try:
            text = data.decode().removeprefix("\ufeff")
        except UnicodeDecodeError:
            text = ""
        if text:
            corpus = Corpus.open("any")
            assert corpus.vocabulary.decode(corpus.codes) == text
        else:
            with pytest.raises(CorpusError, match=r"^any is [^\n]*$"):
                Corpus.open("any")

    judge()


def test_any_bytes_are_a_text_or_one_sentence() -> None:
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
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("peak_memory.py")],
        capture_output=True,
        text=True,
        check=True,
        timeout=1800,
    )
    print(done.stdout)
    assert float(done.stdout) < 600
