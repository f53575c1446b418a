"""Counts in messages: `1 character`, `2,000 characters`."""


def format_count(number: int, noun: str) -> str:
    """Return a number and a noun, which is given in the singular, as in `2,000 characters`."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {plural}"
