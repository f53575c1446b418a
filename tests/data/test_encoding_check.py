import gzip
import re
import subprocess
from pathlib import Path

import pytest

from charrnn.config.text import ResolvedTextConfig, TextConfig
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import BytesInMemory, decode_text, open_text
from charrnn.errors import CorpusError

ENGLISH = "To be, or not to be, that is the question.\n" * 50
FRENCH = "Déjà vu: l'été dernier, à Genève, nous avons mangé des crêpes.\n" * 50
CHINESE = "红楼梦：满纸荒唐言，一把辛酸泪。都云作者痴，谁解其中味？\n" * 50


def find_error(data: bytes, encoding: str = "utf-8") -> str:
    """Return the message for bytes in the file t.txt."""
    Path("t.txt").write_bytes(data)
    with pytest.raises(CorpusError) as caught:
        decode_text(open_text("t.txt"), ResolvedTextConfig(encoding=encoding))
    return str(caught.value)


def follow(message: str) -> Corpus:
    """Run the command in a message, then open the text as the message says."""
    if command := re.search(r"`([^`]* > NEW)`", message):
        subprocess.run(command[1], shell=True, check=False, stderr=subprocess.DEVNULL)
    encoding = re.search(r"(?<!or )read it with --encoding (\S+?)(?:,|$)", message)
    reading = TextConfig(encoding=encoding[1]) if encoding else TextConfig()
    return Corpus.open("t.txt" if command is None else "NEW", reading)


def text_of(corpus: Corpus) -> str:
    return corpus.vocabulary.decode(corpus.codes)


def test_a_text_without_its_last_byte_is_utf_8_except_for_its_last_character() -> None:
    message = find_error(CHINESE.encode()[:502])
    assert message.startswith(
        "t.txt is UTF-8 text except for its last character, which is cut off (byte 0x"
    )
    assert text_of(follow(message)) == CHINESE.encode()[:502].decode("utf-8", "ignore")
    message = find_error((ENGLISH + "5 €").encode()[:-1])
    assert "except for its last character, which is cut off" in message
    assert text_of(follow(message)) == ENGLISH + "5 "


@pytest.mark.parametrize(("stray", "text"), [(b"caf\xe9 \x92", FRENCH), (b"\xe2\x82 now", ENGLISH)])
def test_a_few_invalid_bytes_in_utf_8_text_are_named(stray: bytes, text: str) -> None:
    offset = len(text.encode()) + stray.index(next(byte for byte in stray if byte > 127))
    message = find_error(text.encode() + stray + b"\n" + text.encode())
    assert message.startswith("t.txt is UTF-8 text except for a few bytes (byte 0x")
    assert f"at offset {offset:,} is not valid)" in message
    expected = text + stray.decode("ascii", "ignore") + "\n" + text
    assert text_of(follow(message)) == expected


def test_the_last_character_of_utf_16_text_may_be_cut_off() -> None:
    message = find_error(ENGLISH.encode("utf-16-le")[:-1])
    assert "it looks like utf-16-le: remove its last character, which is cut off" in message
    Path("t.txt").write_bytes(ENGLISH.encode("utf-16-le")[:-2])
    corpus = Corpus.open("t.txt", TextConfig(encoding="utf-16-le"))
    assert text_of(corpus) == ENGLISH[:-1]


@pytest.mark.parametrize(
    ("data", "encoding", "guess"),
    [
        (ENGLISH.encode("utf-16-le"), "utf-8", "utf-16-le"),
        (CHINESE.replace("\n", "\r\n").encode("utf-16-be"), "utf-8", "utf-16-be"),
        (CHINESE.encode("utf-16-le"), "utf-16-be", "utf-16-le"),
        (ENGLISH.encode("utf-16-le"), "utf-16", "utf-16-le"),
        (ENGLISH.encode(), "utf-16", "utf-8"),
        (FRENCH.encode(), "cp1252", "utf-8"),
        (CHINESE.encode(), "cp1252", "utf-8"),
        (CHINESE.encode(), "gb18030", "utf-8"),
        (FRENCH.encode("cp1252"), "utf-8", "cp1252"),
        (FRENCH.encode("utf-7"), "utf-8", "utf-7"),
        (("a" * 100_000 + FRENCH).encode(), "cp1252", "utf-8"),  # ASCII at the start
        (b"\xff\xfe" + ENGLISH.encode("utf-16-le"), "cp1252", "utf-16"),
    ],
)
def test_the_likely_encoding_decodes_the_whole_text(data: bytes, encoding: str, guess: str) -> None:
    message = find_error(data, encoding)
    assert f"it looks like {guess}: read it with --encoding {guess}" in message
    expected = data.decode(guess)
    assert text_of(Corpus.open("t.txt", TextConfig(encoding=guess))) == expected
    pieces = [data[first : first + 100] for first in range(0, len(data), 100)]
    source = BytesInMemory(pieces, "standard input")
    with pytest.raises(CorpusError, match=f"standard input .* it looks like {guess}"):
        decode_text(source, ResolvedTextConfig(encoding=encoding))


def test_a_guess_that_does_not_decode_the_whole_text_is_not_suggested() -> None:
    message = find_error(FRENCH.encode("cp1252") + b"\x81\x8d\x8f" * 10)
    assert "cp1252" not in message


def test_a_compressed_text_in_another_encoding_is_found() -> None:
    Path("t.txt.gz").write_bytes(gzip.compress(ENGLISH.encode("utf-16-le")))
    with pytest.raises(CorpusError, match=r"t\.txt\.gz is not UTF-8 text, it looks like utf-16-le"):
        Corpus.open("t.txt.gz")


def test_an_encoding_is_suggested_for_a_folder_only_if_it_fits_all_files() -> None:
    Path("folder").mkdir()
    Path("folder/a.txt").write_text(ENGLISH, "utf-8")
    Path("folder/b.txt").write_bytes(FRENCH.encode("cp1252"))
    with pytest.raises(CorpusError, match=r"b\.txt .* it looks like cp1252: read it with --enc"):
        Corpus.open("folder", TextConfig(strict=True))
    Path("folder/a.txt").write_text(FRENCH, "utf-8")
    with pytest.raises(CorpusError, match="it looks like cp1252: convert it with `iconv -f cp1252"):
        Corpus.open("folder", TextConfig(strict=True))


def test_surrogates_encoded_as_utf_8_are_a_few_invalid_bytes() -> None:
    message = find_error((ENGLISH + "\ud83d\ude00" + ENGLISH).encode("utf-8", "surrogatepass"))
    assert message.startswith("t.txt is UTF-8 text except for a few bytes (byte 0xed")
    assert text_of(follow(message)) == ENGLISH + ENGLISH


@pytest.mark.parametrize(
    ("text", "encoding"), [("日本語の文。\n", "iso2022-jp"), ("국어\n", "iso2022-kr")]
)
def test_the_command_for_an_encoding_with_escapes_runs(text: str, encoding: str) -> None:
    message = find_error((text * 50).encode(encoding))
    command = re.search(r"`([^`]* > NEW)`", message)
    assert command
    subprocess.run(command[1], shell=True, check=True)
    assert Path("NEW").read_text("utf-8") == text * 50


def test_utf_16_text_without_line_breaks_is_found() -> None:
    text = CHINESE.replace("\n", "").replace("。", "").replace("，", "")
    for encoding in ("utf-16-le", "utf-16-be"):
        message = find_error(text.encode(encoding))
        assert f"it looks like {encoding}" in message
        assert decode_text(open_text("t.txt"), ResolvedTextConfig(encoding=encoding)) == text
