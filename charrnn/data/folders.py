"""The text files of folders and patterns: runs, hidden files and other files are skipped.

Which files are text depends only on their bytes and on the settings for reading a text. So a run
that is resumed finds the same documents.
"""

import codecs
import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from charrnn.config.text import ResolvedTextConfig
from charrnn.data.document import Document
from charrnn.data.formats import find_format
from charrnn.errors import CorpusError

_MAX_NAMES = 3  # of skipped files in a note


class TextFiles:
    """The text files of folders and patterns, and the files that were skipped."""

    def __init__(self, config: ResolvedTextConfig) -> None:
        self.config = config
        self._skipped: dict[tuple[str, str], list[Path]] = {
            ("run", "runs"): [],
            ("hidden file or folder", "hidden files and folders"): [],
            ("file that cannot be read", "files that cannot be read"): [],
            (
                f"file that is not {config.encoding} text",
                f"files that are not {config.encoding} text",
            ): [],
        }
        self._runs, self._hidden, self._unreadable, self._not_text = self._skipped.values()

    def list_folder(self, folder: Path) -> list[Document]:
        """Return the text files of a folder and its subfolders, sorted by path.

        Raises `CorpusError` if there are none.
        """
        paths = []
        for parent, subfolders, names in os.walk(folder):
            if not self.config.strict and is_run(Path(parent)):
                self._runs.append(Path(parent))
                subfolders.clear()
                continue
            self._hidden += [Path(parent, name) for name in (*subfolders, *names) if name[0] == "."]
            subfolders[:] = sorted(name for name in subfolders if name[0] != ".")
            paths += [Path(parent, name) for name in names if name[0] != "."]
        if not paths and not any(self._skipped.values()):
            raise CorpusError(
                f"{folder} is a folder without files", "give a folder with text files"
            )
        return self._choose_texts(paths, f"{folder} is a folder without text files")

    def match_pattern(self, pattern: str) -> list[Document]:
        """Return the text files that match a pattern, sorted by path; empty if no file matches."""
        paths = [Path(path) for path in glob.glob(pattern, recursive=True)]
        if not any(path.is_file() for path in paths):
            return []
        runs = set[Path]()
        if not self.config.strict:
            runs = {parent for path in paths for parent in path.parents if is_run(parent)}
        self._runs += sorted(runs)
        outside = [path for path in paths if runs.isdisjoint(path.parents)]
        return self._choose_texts(outside, f"no file of {pattern} is a text")

    def describe_skipped(self) -> Iterator[str]:
        """Yield a sentence for each kind of files that were skipped."""
        for (one, several), paths in self._skipped.items():
            if paths:
                names = [str(path) for path in sorted(paths)[:_MAX_NAMES]]
                if len(paths) > len(names):
                    names.append(f"and {len(paths) - len(names):,} more")
                kind = one if len(paths) == 1 else several
                yield f"skipped {len(paths):,} {kind}: {', '.join(names)}"

    def _choose_texts(self, paths: Iterable[Path], problem: str) -> list[Document]:
        documents = [
            Document(path, str(path))
            for path in sorted(paths, key=lambda path: path.parts)
            if path.is_file() and (self.config.strict or self._is_chosen(path))
        ]
        if not documents:
            raise CorpusError(
                "; ".join([problem, *self.describe_skipped()]),
                "give a folder with text files",
            )
        return documents

    def _is_chosen(self, path: Path) -> bool:
        """Return whether a file is text; remember it as skipped if it is not."""
        if not os.access(path, os.R_OK):
            self._unreadable.append(path)
        elif not _is_text(Document(path, str(path)), self.config.encoding):
            self._not_text.append(path)
        else:
            return True
        return False


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run of charrnn."""
    return (folder / "config.json").is_file() and (
        (folder / "metrics.jsonl").exists() or any(folder.glob("step-*"))
    )


def _is_text(document: Document, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for number, chunk in enumerate(document.chunks()):
            if number == 0 and find_format(chunk):
                return False
            if "\0" in decoder.decode(chunk):
                return False
        decoder.decode(b"", True)
    except (UnicodeError, CorpusError):
        return False
    return True
