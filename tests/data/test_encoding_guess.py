import random

import pytest

from charrnn.data import catalogue
from charrnn.data.encoding_guess import guess_valid, guess_wide

TEXTS = {
    "English": "To be, or not to be, that is the question.\n" * 20,
    "French": "Déjà vu: l'été dernier, à Genève, «ça va»?\n" * 20,
    "Chinese": "红楼梦：满纸荒唐言，一把辛酸泪。都云作者痴，谁解其中味？\r\n" * 20,
    "Russian": "Князь Андрей вошёл в комнату и сел. «КРОКОДИЛ»\n" * 20,
    "Hebrew": "בראשית ברא אלהים את השמים ואת הארץ\n" * 20,
    "Korean": "태초에 하나님이 천지를 창조하시니라\n" * 20,
    "Thai": "ในปฐมกาล พระเจ้าทรงเนรมิตสร้างฟ้าและแผ่นดิน\n" * 20,
    "Hindi": "आदि में परमेश्वर ने आकाश और पृथ्वी की सृष्टि की।\n" * 20,
    "emoji": "hello 😀 world 🎉 nice\n" * 20,
}
WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("encoding", WIDE)
def test_utf_16_and_utf_32_without_a_byte_order_mark_are_found(
    language: str, encoding: str
) -> None:
    for length in (40, 600):
        data = TEXTS[language][:length].encode(encoding)
        assert guess_wide(data) == encoding
        assert guess_wide(data[:-1]) == encoding
        for codec in ("utf-8", "cp1252", "iso8859-1", "gb18030"):
            assert guess_valid(data, codec) == encoding
        assert guess_valid(data, encoding) is None


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("codec", ["cp1252", "iso8859-1", "koi8-r", "gb18030", "utf-16-le"])
def test_utf_8_text_that_is_decoded_with_another_encoding_is_found(
    language: str, codec: str
) -> None:
    data = TEXTS[language].encode()
    is_ascii_superset = not codec.startswith("utf-16")
    expected = None if data.isascii() and is_ascii_superset else "utf-8"
    assert guess_valid(data, codec) == expected


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        ("吾輩は猫である。名前はまだ無い。\n" * 20, "iso2022_jp", "iso2022-jp"),
        ("태초에 하나님이 천지를 창조하시니라\n" * 20, "iso2022_kr", "iso2022-kr"),
        ("红楼梦满纸荒唐言一把辛酸泪\n" * 20, "hz", "hz"),
        ("Déjà vu: l'été dernier, à Genève\n" * 20, "utf-7", "utf-7"),
        ("吾輩は猫である。名前はまだ無い。\n", "utf-7", "utf-7"),
    ],
)
def test_ascii_bytes_with_escape_sequences_are_found(text: str, encoding: str, guess: str) -> None:
    data = text.encode(encoding)
    assert guess_valid(data, "utf-8") == guess
    assert guess_valid(data, "iso8859-1") is None  # a way to read the bytes as they are


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_in_its_own_encoding_gives_no_guess(language: str) -> None:
    codecs = ("utf-8", "cp1252", "cp1251", "koi8-r", "gb18030", "big5", "shift_jis", "euc_kr")
    for codec in (*codecs, "utf-16-le", "utf-16-be", "utf-7", "iso2022_jp", "hz"):
        for length in (2, 5, 60, 1000):
            try:
                data = TEXTS[language][:length].encode(codec)
            except UnicodeEncodeError:
                continue
            assert guess_valid(data, codec) is None, (codec, length)


def test_a_text_with_nul_and_control_characters_gives_no_guess() -> None:
    play = catalogue.bundled_path().read_text("utf-8")[:5000]
    generator = random.Random(1)
    for share in (0.001, 0.05, 0.3):
        text = "".join("\0" if generator.random() < share else char for char in play)
        for length in (40, 5000):
            assert guess_valid(text[:length].encode(), "utf-8") is None
    separated = ["\0".join(play.split()), "ab\0" * 50, "abc\0" * 50, "\0" * 50, "a\x08" * 50]
    for text in (*separated, "\x1b[31mred\x1b[0m\n" * 50, "x += ~{a} + b-c;\n" * 50):
        assert guess_valid(text.encode(), "utf-8") is None
