import bz2
import gzip
import io
import lzma
import sqlite3
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.text import TextConfig
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import decode_text, open_text
from charrnn.data.formats import find_format
from charrnn.errors import CorpusError
from tests.data.text_files import TEXT, write


def make_zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "text " * 100)
    return file.getvalue()


def make_tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return file.getvalue()


def make_database() -> bytes:
    with sqlite3.connect("data.db") as database:
        database.execute("create table t (x)")
    database.close()
    return Path("data.db").read_bytes()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (make_zip("a.txt"), "a zip archive"),
        (make_zip("[Content_Types].xml", "word/document.xml"), "a Word document"),
        (make_zip("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
        (b"PK\x03\x04mimetypeapplication/epub+zip", "an EPUB e-book"),
        (b"%PDF-1.4\nonly ASCII\n", "a PDF document"),
        (b"{\\rtf1\\ansi text}", "an RTF document"),
        (bz2.compress(b"text" * 100), "a bzip2 archive"),
        (lzma.compress(b"text" * 100), "an xz archive"),
        (make_tar(), "a tar archive"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
        (b"GIF89a\x01\0\x01\0", "a GIF image"),
        (make_zip(), "a zip archive"),
        (lzma.compress(b"text" * 100, format=lzma.FORMAT_ALONE), "an lzma archive"),
        (b"%!PS-Adobe-3.0\nonly ASCII\n", "a PostScript document"),
        (b"\x80\x04\x95" + bytes(9), "a Python pickle"),
        (b"\0\1\0\0\0\x0c", "a font"),
        (b"MThd\0\0\0\6", "a MIDI sound"),
        (b"ID3\x03\0\0\0", "an MP3 sound"),
    ],
)
def test_the_error_names_the_format(data: bytes, name: str) -> None:
    write("file.txt", data)
    for read in (Corpus.open, lambda path: decode_text(open_text(path))):
        with pytest.raises(CorpusError, match=f"file.txt is {name}, not plain text: "):
            read("file.txt")


def test_programs_and_databases_are_named() -> None:
    for source, name in ((make_database(), "SQLite"), (Path(sys.executable).read_bytes(), "prog")):
        assert name in str(find_format(source[:4096]))


@pytest.mark.parametrize(
    "text",
    [
        "BM is an abbreviation\n",
        "MZ at the start\n",
        "ID3 tags\nGIF89a\n",
        "<!DOCTYPE html><p>text</p>\n",
        '{"a": "json"}\n',
        "%PDF is a format\n",
        "RIFF....WAVE\n",
    ],
)
def test_a_text_that_starts_like_a_format_is_a_text(text: str) -> None:
    assert find_format(text.encode()) is None


@given(st.text(min_size=1, alphabet=st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_utf_16_is_no_other_format(text: str) -> None:
    assert find_format(text.encode("utf-16")) is None


def test_gzip_without_suffix_is_read() -> None:
    write("novel.txt", TEXT)
    write("compressed", gzip.compress(TEXT.encode()))
    assert Corpus.open("compressed").sha256 == Corpus.open("novel.txt").sha256
    assert decode_text(open_text("compressed")) == TEXT


def test_an_encoding_that_accepts_any_byte_does_not_hide_the_format() -> None:
    write("photo", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    with pytest.raises(CorpusError, match="photo is a PNG image"):
        Corpus.open("photo", TextConfig(encoding="latin-1"))
