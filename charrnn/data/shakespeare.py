"""Conversion of a work of Shakespeare to the layout of tinyshakespeare.

The works are the files of the folder `shakespeare/` of the public repository
martin-gorner/tensorflow-rnn-shakespeare.
"""

import re

_FIRST_ACT = re.compile(r"^\s*ACT I\s*$", re.MULTILINE)
_SPEECH = re.compile(
    r"^(?!ACT|SCENE|PROLOGUE|EPILOGUE|INDUCTION)([A-Z][^\t\n:]*?) *\t", re.MULTILINE
)
_SPACES_AT_EDGES = re.compile(r"^ | $", re.MULTILINE)


def convert_work(text: str) -> str:
    """Return a poem or a play in the layout of tinyshakespeare.

    A speech begins with a line `NAME:` instead of `NAME`, a tab and its first line. What precedes
    the first act is left out. Runs of spaces, tabs and `|` become one space, and no line begins or
    ends with one. Two or more empty lines become one.
    """
    first_act = _FIRST_ACT.search(text)
    text = text[first_act.start() :] if first_act else text
    text = _SPEECH.sub(r"\1:\n", text)
    text = re.sub(r"[ \t|]+", " ", text)
    text = _SPACES_AT_EDGES.sub("", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
