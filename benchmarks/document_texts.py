r"""Write the three texts of documents that `benchmarks/documents.py` is measured with.

    pip download names==0.3.0 --no-deps   # the names of the census of the United States in 1990
    apt install python3-doc               # Debian's copy of Python's documentation
    python benchmarks/document_texts.py FOLDER --names names-0.3.0.tar.gz \
        --docs /usr/share/doc/python3.11/html/_sources

FOLDER/names.txt      last names, one in each line
FOLDER/log.txt        a log of 20,000 JSON objects, one in each line, made by this program
FOLDER/sections.txt   the sections of Python's documentation, separated by U+001C
"""

import argparse
import itertools
import json
import random
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

_LINES, _SECTIONS = 20_000, 1_500
_LEVELS = ("DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR")
_PARTS = ("auth", "billing", "cache", "mailer", "search", "storage")
_MESSAGES = (
    "request finished",
    "connection closed by peer",
    "cache miss",
    "user logged in",
    "retrying after timeout",
    "payment accepted",
    "index rebuilt",
)
_HEADING = re.compile(r"^(?=[^\s=\-~^*#\"'.][^\n]*\n([=\-~^*\"'])\1{2,}[ ]*$)", re.MULTILINE)


def read_names(archive: Path) -> list[str]:
    """Return the last names in the archive of the package `names`, in random order."""
    with tarfile.open(archive) as file:
        (member,) = [name for name in file.getnames() if name.endswith("dist.all.last")]
        extracted = file.extractfile(member)
        assert extracted is not None
        lines = extracted.read().decode("ascii").splitlines()
    names = [line.split()[0].capitalize() for line in lines]
    random.Random(0).shuffle(names)
    return names


def make_log() -> Iterator[str]:
    """Yield lines of a log: JSON objects whose fields depend on each other."""
    draws, milliseconds = random.Random(0), 1_700_000_000_000
    for _ in range(_LINES):
        milliseconds += draws.randrange(1, 2_000)
        level, part = draws.choice(_LEVELS), draws.choice(_PARTS)
        record: dict[str, object] = {"time": milliseconds, "level": level, "part": part}
        if part in ("auth", "billing"):
            record["user"] = {"id": draws.randrange(1_000), "active": draws.random() < 0.9}
        if level == "ERROR":
            record["code"], record["trace"] = (
                draws.choice((404, 500, 503)),
                [f"{part}.{draws.choice('abc')}" for _ in range(draws.randrange(1, 4))],
            )
        record["message"] = draws.choice(_MESSAGES)
        record["ms"] = round(draws.expovariate(0.05), 1)
        yield json.dumps(record)


def read_sections(folder: Path) -> Iterator[str]:
    """Yield the sections of the files of a documentation in reStructuredText."""
    for path in sorted(folder.rglob("*.rst.txt")):
        text = path.read_text("utf-8")
        starts = [0, *(match.start() for match in _HEADING.finditer(text)), len(text)]
        for start, end in itertools.pairwise(starts):
            if section := text[start:end].strip():
                yield section + "\n"


def main() -> None:
    """Write the texts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--names", type=Path, required=True)
    parser.add_argument("--docs", type=Path, required=True)
    arguments = parser.parse_args()
    sections = list(read_sections(arguments.docs))
    random.Random(0).shuffle(sections)
    for name, documents, separator in (
        ("names", read_names(arguments.names), "\n"),
        ("log", list(make_log()), "\n"),
        ("sections", sections[:_SECTIONS], "\x1c"),
    ):
        text = separator.join(documents)
        (arguments.folder / f"{name}.txt").write_text(text, "utf-8")
        print(f"{name}: {len(documents):,} documents, {len(text):,} characters")


if __name__ == "__main__":
    main()
