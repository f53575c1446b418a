"""From a text to batches of character codes.

Shape suffixes: T steps in time, B parallel streams.
"""

import dataclasses
import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import platformdirs
from numpy.typing import NDArray

from charrnn import catalogue
from charrnn.config import CorpusRecord
from charrnn.errors import CorpusError, VocabularyError
from charrnn.randomness import epoch_offset

Codes = NDArray[np.unsignedinteger[Any]]


class Vocabulary:
    """The characters a model knows, in the order of their codes."""

    def __init__(self, characters: Iterable[str]) -> None:
        self.characters = tuple(characters)
        if not self.characters or any(len(character) != 1 for character in self.characters):
            raise VocabularyError("a vocabulary holds one or more single characters", ())
        points = _code_points("".join(self.characters))
        if len(np.unique(points)) != len(points):
            raise VocabularyError("a vocabulary holds each character only once", ())
        self._points = points
        self._codes = np.full(int(points.max()) + 2, -1, dtype=np.int32)
        self._codes[points] = np.arange(len(points), dtype=np.int32)

    @classmethod
    def of(cls, text: str) -> "Vocabulary":
        """Return the vocabulary of `text`, in code point order."""
        return cls(_characters(np.unique(_code_points(text))))

    def __len__(self) -> int:
        return len(self.characters)

    def __contains__(self, character: object) -> bool:
        return character in self.characters

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.characters == other.characters

    def __hash__(self) -> int:
        return hash(self.characters)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer that holds every code."""
        return np.min_scalar_type(len(self) - 1)

    def extended(self, text: str) -> "Vocabulary":
        """Return this vocabulary, its codes unchanged, with the new characters of `text` added."""
        new = np.setdiff1d(_code_points(text), self._points)
        return Vocabulary([*self.characters, *_characters(new)])

    def encode(self, text: str, unknown: Literal["error", "skip"] = "error") -> Codes:
        """Return each character's code; unknown ones raise `VocabularyError` or are left out."""
        points = _code_points(text)
        codes = self._codes[np.minimum(points, len(self._codes) - 1)]
        known = codes >= 0
        if not known.all():
            if unknown == "error":
                raise _unknown_characters("".join(_characters(points[~known])), len(self))
            codes = codes[known]
        return codes.astype(self.dtype)

    def decode(self, codes: Iterable[int]) -> str:
        """Return the text of `codes`; the inverse of `encode`."""
        return "".join([self.characters[int(code)] for code in codes])


@dataclass(frozen=True)
class Corpus:
    """A text as character codes, and where it came from."""

    name: str
    path: str
    sha256: str
    codes: Codes
    vocabulary: Vocabulary

    @classmethod
    def open(cls, source: str | Path) -> "Corpus":
        """Read a text file, a text of the catalogue, or `-` for standard input.

        Standard input is kept in the user's cache, so that a run can be resumed.
        """
        if str(source) == "-":
            data = sys.stdin.buffer.read()
            text = _decode(data, "standard input")
            name, path = "stdin", _keep(data)
        else:
            path = _locate(source)
            name, data = path.stem, _read(path)
            text = _decode(data, str(path))
        return cls.from_text(
            text,
            name=name,
            path=str(path.resolve()),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    @classmethod
    def from_text(
        cls, text: str, *, name: str = "text", path: str = "", sha256: str | None = None
    ) -> "Corpus":
        """Make a corpus of a text in memory."""
        if not text:
            raise CorpusError(f"{path or 'the text'} is empty: a text to learn from is needed")
        vocabulary = Vocabulary.of(text)
        digest = sha256 or hashlib.sha256(text.encode()).hexdigest()
        return cls(name, path, digest, vocabulary.encode(text), vocabulary)

    def adapted_to(self, known: Vocabulary) -> "Corpus":
        """Return the same text in the codes of `known`, its new characters added at the end."""
        characters = "".join(self.vocabulary.characters)
        vocabulary = known.extended(characters)
        codes = vocabulary.encode(characters)[self.codes]
        return dataclasses.replace(self, codes=codes, vocabulary=vocabulary)

    @classmethod
    def reopen(
        cls, record: CorpusRecord, vocabulary: Vocabulary, source: str | Path | None = None
    ) -> "Corpus":
        """Find the text of a run again: at `source`; or its path, the cache or the catalogue."""
        listed = catalogue.find(record.name)
        places = [Path(record.path), _cached(record.sha256), *([listed] if listed else [])]
        if source is not None:
            places = [Path(source)]
        other: Corpus | None = None
        for place in places:
            if place.is_file():
                corpus = cls.open(place)
                if corpus.sha256 == record.sha256:
                    return corpus.adapted_to(vocabulary)
                other = other or corpus
        if other:
            raise CorpusError(
                f"{other.path} is not the text this run was trained on: expected SHA-256 "
                f"{record.sha256}, found {other.sha256}; give the unchanged text with "
                "--corpus FILE"
            )
        looked = " and ".join(str(place) for place in places)
        raise CorpusError(
            f"the text {record.name!r} of this run is not at {looked}: "
            "say where it is now with --corpus FILE"
        )

    def split(self, val_fraction: float) -> tuple[Codes, Codes]:
        """Return the training part and the held-out part: the last `val_fraction` of the text."""
        border = int((1.0 - val_fraction) * len(self.codes))
        return self.codes[:border], self.codes[border:]

    @cached_property
    def line_start(self) -> str:
        """The character that most often begins a line, white space apart."""
        characters = self.vocabulary.characters
        starts = self.codes[:1]
        if "\n" in self.vocabulary:
            after = np.flatnonzero(self.codes[:-1] == characters.index("\n")) + 1
            starts = np.concatenate([starts, self.codes[after]])
        counts = np.bincount(starts, minlength=len(characters))
        counts[[character.isspace() for character in characters]] = 0
        return characters[int(counts.argmax())] if counts.any() else characters[0]

    @property
    def record(self) -> CorpusRecord:
        """What a run keeps of this corpus."""
        return CorpusRecord(
            name=self.name,
            path=self.path,
            sha256=self.sha256,
            characters=len(self.codes),
            line_start=self.line_start,
        )


class Batches:
    """The training part cut into parallel streams, read in order: batch k is a function of k.

    Each epoch starts at a fresh offset, a function of the seed and the epoch, so that less than one
    batch x sequence of the text is left out, different each time.
    """

    def __init__(self, codes: Codes, batch_size: int, seq_length: int, seed: int) -> None:
        self.steps_per_epoch = (len(codes) - 1) // (batch_size * seq_length)
        if self.steps_per_epoch < 1:
            raise CorpusError(
                f"the training part has {len(codes):,} characters, and one batch of {batch_size} "
                f"streams x {seq_length} characters needs {batch_size * seq_length + 1:,}: use a "
                "longer text, or a smaller --batch-size or --seq-length"
            )
        self._codes = codes
        self._batch_size = batch_size
        self._seq_length = seq_length
        self._seed = seed

    def starts_epoch(self, step: int) -> bool:
        """Whether the streams begin anew at `step`, so that their state is blank."""
        return step % self.steps_per_epoch == 0

    def batch(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the inputs and targets of `step` (from 0), both (T, B)."""
        epoch, row = divmod(step, self.steps_per_epoch)
        stream_length = self.steps_per_epoch * self._seq_length
        spare = len(self._codes) - 1 - self._batch_size * stream_length
        first = epoch_offset(self._seed, epoch, spare) + row * self._seq_length
        starts_B = first + np.arange(self._batch_size) * stream_length
        window_TB = self._codes[starts_B + np.arange(self._seq_length + 1)[:, None]]
        window_TB = window_TB.astype(np.int64)
        return window_TB[:-1], window_TB[1:]


def read_text(source: str | Path) -> str:
    """Return the text of a UTF-8 file, or of standard input (`-`); raise `CorpusError`."""
    if str(source) == "-":
        return _decode(sys.stdin.buffer.read(), "standard input")
    return _decode(_read(Path(source)), str(source))


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _characters(points: NDArray[np.uint32]) -> list[str]:
    return [chr(point) for point in points]


def _unknown_characters(characters: str, known: int) -> VocabularyError:
    distinct = tuple(dict.fromkeys(characters))
    named = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in distinct[:8])
    more = f" and {len(distinct) - 8} more" if len(distinct) > 8 else ""
    return VocabularyError(
        f"the model knows {known} characters, and these are not among them: {named}{more}; "
        "leave them out, or skip them with --unknown skip",
        distinct,
    )


def _locate(source: str | Path) -> Path:
    path = Path(source)
    if not path.is_file() and (listed := catalogue.find(str(source))):
        return listed
    if not path.exists():
        names = ", ".join(catalogue.names())
        raise CorpusError(
            f"there is no file {path}, and no text of that name in the catalogue ({names}): "
            "give the path of a UTF-8 text file"
        )
    return path


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise CorpusError(f"{path} is a folder: give the path of one UTF-8 text file in it")
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read ({error.strerror}): give a readable text file"
        ) from None


def _decode(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{where} is not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start:,} "
            "does not belong there; convert the file to UTF-8 first"
        ) from None


def _cached(sha256: str) -> Path:
    return Path(platformdirs.user_cache_dir("charrnn")) / "texts" / f"{sha256}.txt"


def _keep(data: bytes) -> Path:
    path = _cached(hashlib.sha256(data).hexdigest())
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(data)
        temporary.replace(path)
    return path
