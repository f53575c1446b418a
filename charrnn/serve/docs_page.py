"""The page `/docs`: docs/serving.md as HTML."""

import html

from markdown_it import MarkdownIt

from charrnn.files import installed_folder

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>charrnn: {title}</title>
<link rel="stylesheet" href="/static/serve.css">
</head>
<body>
<main class="docs">
<p><a href="/">Back to the models</a></p>
{body}
</main>
</body>
</html>
"""


def render_docs() -> str:
    """Return the page."""
    text = (installed_folder("docs") / "serving.md").read_text("utf-8")
    title = text.partition("\n")[0].removeprefix("# ")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return _PAGE.format(title=html.escape(title), body=body)
