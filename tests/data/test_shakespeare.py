from charrnn.data.shakespeare import convert_work

PLAY = """\
\tA PLAY


DRAMATIS PERSONAE

FIRST LORD\t|
\t|  lords.
SECOND LORD\t|


\tACT I


SCENE I\tA street.


\t[Enter two  Lords]

FIRST LORD \tGood day.


Second Lord\tGood day,
\tmy lord.\x20
Old Lady:\tAnd to me?
"""
CONVERTED = """\
ACT I

SCENE I A street.

[Enter two Lords]

FIRST LORD:
Good day.

Second Lord:
Good day,
my lord.
Old Lady: And to me?
"""


def test_a_play_has_the_layout_of_tinyshakespeare() -> None:
    assert convert_work(PLAY) == CONVERTED


def test_a_poem_keeps_all_its_lines() -> None:
    poem = "\tSONNETS\n\n\n\n\tI.\n\n  From fairest\tcreatures,\n"
    assert convert_work(poem) == "SONNETS\n\nI.\n\nFrom fairest creatures,\n"
