"""File formats that are not plain text, recognized by their first bytes."""

from typing import NamedTuple

from charrnn.errors import CorpusError

_SAVE_AS_TEXT = "open it in its program and save it as plain text (.txt)"
_EXTRACT = "extract the text files in it, and give those"
_GIVE_TEXT = "give a text file"
_START_BYTES = 4096  # of a file, in which a binary format has a zero byte


class _Signature(NamedTuple):
    """The bytes at `offset` of a file, and the name of its format.

    With `with_zero`, the start of the file also has a zero byte: without it, it can be a text.
    """

    start: bytes
    name: str
    remedy: str = _GIVE_TEXT
    offset: int = 0
    with_zero: bool = False


_SIGNATURES = (
    _Signature(b"%PDF-", "a PDF document", "extract its text, for example with `pdftotext`"),
    _Signature(b"%!PS-Adobe-", "a PostScript document", "convert it to plain text (.txt)"),
    _Signature(b"{\\rtf", "an RTF document", _SAVE_AS_TEXT),
    _Signature(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an old Office", _SAVE_AS_TEXT),
    _Signature(
        b"BOOKMOBI", "a MOBI e-book", "convert it to plain text (.txt)", offset=60, with_zero=True
    ),
    _Signature(b"1AY&SY", "a bzip2 archive", _EXTRACT, offset=4),
    _Signature(b"\xfd7zXZ\0", "an xz archive", _EXTRACT),
    _Signature(b"\x28\xb5\x2f\xfd", "a zstd archive", _EXTRACT),
    _Signature(b'\x04"M\x18', "an lz4 archive", _EXTRACT),
    _Signature(b"\x1f\x9d", "a compressed file (.Z)", _EXTRACT),
    _Signature(b"]\0\0", "an lzma archive", _EXTRACT),
    _Signature(b"7z\xbc\xaf\x27\x1c", "a 7z archive", _EXTRACT),
    _Signature(b"Rar!\x1a\x07", "a RAR archive", _EXTRACT),
    _Signature(b"ustar", "a tar archive", _EXTRACT, offset=257, with_zero=True),
    _Signature(b"\xff\xd8\xff", "a JPEG image"),
    _Signature(b"\x89PNG\r\n\x1a\n", "a PNG image"),
    _Signature(b"GIF8", "a GIF image", with_zero=True),
    _Signature(b"BM", "a BMP image", with_zero=True),
    _Signature(b"8BPS\0", "a Photoshop image"),
    _Signature(b"AT&TFORM", "a DjVu document", with_zero=True),
    _Signature(b"\0\0\1\0", "an icon"),
    _Signature(b"II*\0", "a TIFF image"),
    _Signature(b"MM\0*", "a TIFF image"),
    _Signature(b"WEBP", "a WebP image", offset=8, with_zero=True),
    _Signature(b"WAVE", "a WAV sound", offset=8, with_zero=True),
    _Signature(b"ID3", "an MP3 sound", with_zero=True),
    _Signature(b"\xff\xfb", "an MP3 sound", with_zero=True),
    _Signature(b"\xff\xf3", "an MP3 sound", with_zero=True),
    _Signature(b"MThd\0", "a MIDI sound"),
    _Signature(b"fLaC", "a FLAC sound", with_zero=True),
    _Signature(b"OggS", "an Ogg sound", with_zero=True),
    _Signature(b"ftyp", "an MP4 video or HEIC image", offset=4, with_zero=True),
    _Signature(b"\x1aE\xdf\xa3", "a Matroska video"),
    _Signature(b"SQLite format 3\0", "an SQLite database"),
    _Signature(b"PAR1", "a Parquet table", with_zero=True),
    _Signature(b"\x93NUMPY", "a NumPy array"),
    _Signature(b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    _Signature(b"\x80\x04\x95", "a Python pickle"),
    _Signature(b"\0\1\0\0", "a font"),
    _Signature(b"OTTO\0", "a font"),
    _Signature(b"wOFF", "a font", with_zero=True),
    _Signature(b"wOF2", "a font", with_zero=True),
    _Signature(b"GGUF", "a GGUF model", with_zero=True),
    _Signature(b'\0\0\0\0{"', "a safetensors file", offset=4),
    _Signature(b"\x7fELF", "a program"),
    _Signature(b"MZ", "a program", with_zero=True),
    _Signature(b"\xca\xfe\xba\xbe", "a program"),
    _Signature(b"\xcf\xfa\xed\xfe", "a program"),
    _Signature(b"\0asm", "a program"),
    _Signature(b"\r\r\n", "a compiled Python file", offset=1, with_zero=True),
)
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # usual, empty, in several parts
_ZIP_CONTENTS = {  # the name of a file in the archive: the format of the archive
    b"word/": ("a Word document", _SAVE_AS_TEXT),
    b"xl/": ("an Excel workbook", _SAVE_AS_TEXT),
    b"ppt/": ("a PowerPoint presentation", _SAVE_AS_TEXT),
    b"application/epub+zip": ("an EPUB e-book", "convert it to plain text (.txt)"),
    b"application/vnd.oasis.opendocument": ("an OpenDocument file", _SAVE_AS_TEXT),
    b"data.pkl": ("a PyTorch file", _GIVE_TEXT),
}


def find_format(start: bytes) -> tuple[str, str] | None:
    """Return the format of a file that is not plain text, and what to do; None for a text.

    `start` is the start of the file.
    """
    if start.startswith(_ZIPS):
        for name, found in _ZIP_CONTENTS.items():
            if name in start:
                return found
        return "a zip archive", _EXTRACT
    has_zero = b"\0" in start[:_START_BYTES]
    for signature in _SIGNATURES:
        if start.startswith(signature.start, signature.offset) and (
            has_zero or not signature.with_zero
        ):
            return signature.name, signature.remedy
    return None


def refuse_format(start: bytes, label: str) -> None:
    """Raise `CorpusError` if the start of a file is that of a format that is not plain text."""
    if found := find_format(start):
        name, remedy = found
        raise CorpusError(f"{label} is {name}, not plain text", remedy)
