"""HTML pages, each a single self-contained file that makes no network request.

Every value is escaped when it is inserted. The Content-Security-Policy of a page allows only its
own style and script, by their hashes.
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

from charrnn.config.counts import format_count

_TEMPLATES = Path(__file__).parent / "templates"
SHADES = _TEMPLATES / "shades.css"
"""The colors of characters, by surprise and by activity; `charrnn serve` has them too."""
_JSON_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
_ACTIVITY_SHADES = 6  # below zero, and as many above
MAX_SURPRISE_LEVEL = 9
"""The darkest shade, for this many bits or more; there is one shade per bit."""


def render_page(
    template: str,
    *,
    folder: Path = _TEMPLATES,
    title: str,
    scripts: Sequence[str] = (),
    styles: Sequence[str] = (),
    web_assembly: bool = False,
    **values: Any,
) -> str:
    """Render a template of `folder` with `values`, and with its files `scripts` and `styles`.

    With `web_assembly`, the page's policy allows the scripts to compile WebAssembly.
    """
    own_styles = [folder / style for style in styles]
    style = Markup("".join(map(_read, [_TEMPLATES / "style.css", SHADES, *own_styles])))
    code = Markup("\n".join(_read(folder / script) for script in scripts))
    script_sources = _hash(code) if code else "'none'"
    if web_assembly:
        script_sources += " 'wasm-unsafe-eval'"
    policy = [
        "default-src 'none'",
        f"style-src {_hash(style)}",
        f"script-src {script_sources}",
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
    environment.filters["json"] = _to_json
    environment.filters["count"] = format_count
    rendered = environment.get_template(template).render(
        title=title, style=style, script=code, policy="; ".join(policy), **values
    )
    return rendered.encode("utf-8", "replace").decode("utf-8")  # names may contain lone surrogates


def color_by_activity(text: str, activity_N: Iterable[float]) -> Markup:
    """Return a text as HTML, colored by the activity of a unit after each character."""
    return _color_characters(
        text, [_name_activity_shade(value) for value in activity_N], merge=True
    )


def color_by_surprise(text: str, bits_N: Iterable[float]) -> Markup:
    """Return a text as HTML, one element per character, colored by its loss in bits."""
    return _color_characters(
        text, [f"s{choose_surprise_level(bits)}" for bits in bits_N], merge=False
    )


def choose_surprise_level(bits: float) -> int:
    """Return the shade of a loss in bits, from 0 to `MAX_SURPRISE_LEVEL`."""
    return min(MAX_SURPRISE_LEVEL, int(bits)) if math.isfinite(bits) else MAX_SURPRISE_LEVEL


def _name_activity_shade(activity: float) -> str:
    level = round(activity * _ACTIVITY_SHADES)
    return f"{'n' if level < 0 else 'p'}{abs(level)}"


def _color_characters(text: str, classes: Sequence[str], merge: bool) -> Markup:
    parts: list[str] = []
    start = 0
    for end in range(1, len(text) + 1):
        if merge and end < len(text) and classes[end] == classes[start]:
            continue
        escaped = str(escape(text[start:end])).replace("\n", "↵\n")
        parts.append(f"<i class={classes[start]}>{escaped}</i>")
        start = end
    return Markup("".join(parts))


def _to_json(value: Any) -> Markup:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_JSON_ESCAPES))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _hash(inline: str) -> str:
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    return f"'sha256-{digest}'"
