"""Pages that a browser shows: one self-contained file each, which asks the network for nothing.

Every value is escaped where it is put in. The Content-Security-Policy of a page allows the style
and the script that it was written with, by their hashes, and nothing else.
"""

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

_TEMPLATES = Path(__file__).parent / "templates"
_JSON_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}
_SHADES = 6  # of an activity, on either side of zero
MOST_BITS = 9
"""From so many bits on, surprises look alike: one shade a bit below."""


def page(
    template: str,
    *,
    folder: Path = _TEMPLATES,
    title: str,
    script: str | None = None,
    web_assembly: bool = False,
    **values: Any,
) -> str:
    """Return the page that a template of a folder makes of the values, with a script beside it.

    Only with `web_assembly` may the script compile some.
    """
    style = Markup(_read(_TEMPLATES / "style.css"))
    code = Markup(_read(folder / script)) if script else None
    allowed = _hash(code) if code else "'none'"
    if web_assembly:
        allowed += " 'wasm-unsafe-eval'"
    policy = [
        "default-src 'none'",
        f"style-src {_hash(style)}",
        f"script-src {allowed}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = _json
    rendered = environment.get_template(template).render(
        title=title, style=style, script=code, policy="; ".join(policy), **values
    )
    return rendered.encode("utf-8", "replace").decode("utf-8")  # names may hold lone surrogates


def by_activity(text: str, activity_N: Iterable[float]) -> Markup:
    """Return a text whose characters are coloured by a unit's activity after each."""
    return _coloured(text, [_shade(each) for each in activity_N], merge=True)


def by_surprise(text: str, bits_N: Iterable[float]) -> Markup:
    """Return a text, each character an element of its own, coloured by how surprising it was."""
    return _coloured(text, [f"s{level_of(each)}" for each in bits_N], merge=False)


def level_of(bits: float) -> int:
    """Return the shade of a surprise."""
    return min(MOST_BITS, int(bits)) if math.isfinite(bits) else MOST_BITS


def _shade(activity: float) -> str:
    level = round(activity * _SHADES)
    return f"{'n' if level < 0 else 'p'}{abs(level)}"


def _coloured(text: str, classes: Sequence[str], merge: bool) -> Markup:
    parts: list[str] = []
    start = 0
    for place in range(1, len(text) + 1):
        if merge and place < len(text) and classes[place] == classes[start]:
            continue
        shown = str(escape(text[start:place])).replace("\n", "↵\n")
        parts.append(f"<i class={classes[start]}>{shown}</i>")
        start = place
    return Markup("".join(parts))


def _json(value: Any) -> Markup:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_JSON_ESCAPES))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _hash(inline: str) -> str:
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    return f"'sha256-{digest}'"
