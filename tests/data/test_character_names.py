import pytest

from charrnn.data.character_names import list_characters, name_character


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("é", "'é' (U+00E9)"),
        ("\n", "line break (U+000A)"),
        ("\\", "backslash (U+005C)"),
        ("'", '"\'" (U+0027)'),
        (" ", "space (U+0020)"),
        ("\xa0", "no-break space (U+00A0)"),
        ("\u200b", "zero width space (U+200B)"),
        ("\u0301", "combining acute accent (U+0301)"),
        ("\x92", "U+0092"),
        ("\ud800", "U+D800"),
        ("\udcff", "byte 0xff (not a character in your locale)"),
    ],
)
def test_the_name_of_a_character_can_be_recognized(character: str, name: str) -> None:
    assert name_character(character) == name


def test_at_most_eight_characters_are_listed() -> None:
    assert list_characters("abcdefgh").endswith("'h' (U+0068)")
    assert list_characters("abcdefghij").endswith("'h' (U+0068) and 2 more")
