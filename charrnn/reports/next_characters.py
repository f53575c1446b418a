"""The most likely next characters, with a bar for each probability."""

from collections.abc import Sequence

from charrnn.console.output import stdout_console
from charrnn.console.tables import print_table
from charrnn.console.text import can_encode
from charrnn.data.character_names import name_character
from charrnn.sampling.next_characters import NextCharacter

_BAR_WIDTH, _SHOWN_END = 30, 40  # cells of a bar, characters of the prompt


def print_next_characters(prompt: str, likely: Sequence[NextCharacter]) -> None:
    """Print a table of next characters."""
    symbol = "█" if can_encode("█", stdout_console().encoding) else "#"
    title = "the most likely first characters of a text"
    if prompt:
        shown = prompt if len(prompt) <= _SHOWN_END else f"...{prompt[-_SHOWN_END:]}"
        title = f"the most likely characters after {shown!r}"
    rows = []
    for character in likely:
        name = name_character(character.character)
        if character.ends_document:
            name = "the end of the document"
        bar = symbol * round(_BAR_WIDTH * character.probability)
        rows.append((f"{character.probability:z.2%}", name, bar))
    print_table(title, ("probability", "character", ""), rows)
