import codecs
import itertools

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from charrnn.config.text import ResolvedTextConfig, TextConfig
from charrnn.data.decoding import BytesInMemory, decode_text
from charrnn.data.encoding_guess import list_guesses
from charrnn.data.formats import find_format
from charrnn.errors import ConfigError, CorpusError

TEXT = "Ça, déjà vu?\r\n漢字 🙂 é\r line\n"


def decode(data: bytes, *cuts: int, **settings: object) -> str:
    ends = [0, *cuts, len(data)]
    chunks = [data[first:end] for first, end in itertools.pairwise(ends)]
    source = BytesInMemory(chunks, "text")
    return decode_text(source, ResolvedTextConfig(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", "gb18030"])
@pytest.mark.parametrize("newline", ["keep", "lf"])
def test_the_text_is_the_same_for_every_split_into_chunks(encoding: str, newline: str) -> None:
    data = TEXT.encode(encoding)
    expected = TEXT if newline == "keep" else TEXT.replace("\r\n", "\n").replace("\r", "\n")
    for cut in range(len(data) + 1):
        assert decode(data, cut, encoding=encoding, newline=newline) == expected
    assert decode(data, *range(1, len(data)), encoding=encoding, newline=newline) == expected


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
@example(b"\xf0\x9f\x99", [1])
@example(b"ab\xc3(", [3])
def test_the_first_invalid_byte_is_named_for_every_split_into_chunks(
    data: bytes, cuts: list[int]
) -> None:
    assume(find_format(data) is None)
    try:
        expected = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        message = f"byte 0x{data[error.start]:02x} at offset {error.start:,} is not valid"
        with pytest.raises(CorpusError, match=message):
            decode(data, *sorted(cuts))
    else:
        assert decode(data, *sorted(cuts)) == expected


def test_a_byte_order_mark_is_removed_only_at_the_start() -> None:
    assert decode(codecs.BOM_UTF8 + b"a\xef\xbb\xbfb", 1, 2) == "a\ufeffb"
    assert decode("ab".encode("utf-16-le"), encoding="utf-16-le") == "ab"
    assert decode("\ufeffab".encode("utf-16-le"), encoding="utf-16-le") == "ab"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Déjà vu: l'été dernier, à Genève, nous avons mangé des crêpes.", "cp1252"),
        ("Князь Андрей вошёл в комнату и сел.", "cp1251"),
        ("Князь Андрей вошёл в комнату и сел.", "koi8-r"),
        ("红楼梦：满纸荒唐言，一把辛酸泪。都云作者痴，谁解其中味？", "gb18030"),
        ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。", "shift-jis"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy", "cp1250"),
        ("anything", "utf-16"),
        ("anything", "utf-32"),
    ],
)
def test_the_error_suggests_the_likely_encoding(text: str, encoding: str) -> None:
    assert next(list_guesses(text.encode(encoding))) == encoding
    with pytest.raises(
        CorpusError, match=f"it looks like {encoding}: read it with --encoding {encoding}"
    ):
        decode(text.encode(encoding))


def test_no_encoding_is_suggested_for_binary_data() -> None:
    data = b"\x89DATA\r\n\x1a\n\0\0\0\rIHDR"
    assert list(list_guesses(data)) == []
    with pytest.raises(CorpusError, match="it does not look like text"):
        decode(data)


@pytest.mark.parametrize("encoding", ["nope", "rot13", "", "undefined"])
def test_an_unknown_encoding_is_an_error(encoding: str) -> None:
    with pytest.raises(ConfigError, match="encoding must be one that Python supports"):
        TextConfig(encoding=encoding)
