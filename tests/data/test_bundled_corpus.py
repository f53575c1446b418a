"""The bundled play has enough text, a regular layout and few repetitions."""

import re
import string
from collections import Counter

import pytest

from charrnn.data import catalogue

MIN_BYTES = 120_000
MAX_REPEATS = 4  # of a phrase of five words
REFRAINS = {  # lines of songs, of the prophecy and of the oath that are repeated on purpose
    "lay it low and tread it down",
    "spade for sceptre clay for crown",
    "ring bell under the water o",
    "and who shall pay the ringer",
    "hush the tide is at the stair",
    "hush and it shall pass us",
    "dry hand sworn wet hand paid",
    "wall unmade by him it made",
    "two men's sons in one bed laid",
    "land and crown upon a spade",
    "the wall i took i render whole or i am no man's king",
}

SPEAKER = re.compile(r"[A-Z][A-Z' -]*:")
ACT = re.compile(r"ACT (I|II|III|IV|V)")
SCENE = re.compile(r"SCENE ([IVX]+)\. \S.*\.")
DIRECTION = re.compile(r"\[\S.*\S\]")


@pytest.fixture(scope="module")
def text() -> str:
    path = catalogue.find_text(catalogue.bundled_name())
    assert path
    return path.read_bytes().decode("ascii")


@pytest.fixture(scope="module")
def lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


def words(line: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z']+", line.lower()))


def is_layout(line: str) -> bool:
    return any(form.fullmatch(line) for form in (SPEAKER, ACT, SCENE, DIRECTION))


def test_it_is_long_enough_to_learn_from(text: str) -> None:
    assert len(text) >= MIN_BYTES


def test_it_contains_only_characters_of_a_keyboard(text: str) -> None:
    keyboard = set(string.ascii_letters + string.digits + string.punctuation + " \n")
    assert set(text) <= keyboard


def test_lines_are_short_and_tidy(text: str, lines: list[str]) -> None:
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "\n\n\n" not in text
    assert all(line == line.strip() for line in lines)
    assert max(map(len, lines)) <= 75


def test_acts_and_scenes_follow_in_order(lines: list[str]) -> None:
    numerals = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
    acts = [match[1] for line in lines if (match := ACT.fullmatch(line))]
    assert acts
    assert acts == list(numerals[: len(acts)])
    scene = 0
    for line in lines:
        if ACT.fullmatch(line):
            scene = 0
        elif line.startswith("SCENE"):
            match = SCENE.fullmatch(line)
            assert match, line
            assert match[1] == numerals[scene], line
            scene += 1


def test_every_speech_has_a_speaker_and_every_speaker_a_speech(lines: list[str]) -> None:
    blocks = "\n".join(lines).split("\n\n")
    assert blocks[0].isupper()  # the title
    for block in blocks[1:]:
        first, *rest = block.split("\n")
        if SPEAKER.fullmatch(first):
            assert rest, block
            assert not any(SPEAKER.fullmatch(line) or ACT.fullmatch(line) for line in rest), block
            spoken = [line for line in rest if not DIRECTION.fullmatch(line)]
            assert spoken, block
        else:
            assert is_layout(first) or first == "THE END", block
            assert all(DIRECTION.fullmatch(line) for line in (first, *rest) if rest), block


def test_directions_open_and_close_on_one_line(lines: list[str]) -> None:
    for line in lines:
        if "[" in line or "]" in line:
            assert DIRECTION.fullmatch(line), line


def test_there_are_many_speakers_and_most_speak_more_than_once(lines: list[str]) -> None:
    speeches = Counter(line for line in lines if SPEAKER.fullmatch(line))
    assert len(speeches) >= 15
    assert sum(count > 1 for count in speeches.values()) > len(speeches) / 2


def test_no_line_except_refrains_is_repeated(lines: list[str]) -> None:
    counts = Counter(
        words(line) for line in lines if len(words(line)) >= 6 and not SCENE.fullmatch(line)
    )
    repeated = {" ".join(line) for line, count in counts.items() if count > 1}
    assert repeated <= REFRAINS


def test_no_phrase_of_five_words_is_repeated_often(lines: list[str]) -> None:
    all_words = [
        word
        for line in lines
        if not SPEAKER.fullmatch(line) and " ".join(words(line)) not in REFRAINS
        for word in words(line)
    ]
    phrases = Counter(zip(*(all_words[start:] for start in range(5)), strict=False))
    frequent = [" ".join(phrase) for phrase, count in phrases.items() if count > MAX_REPEATS]
    assert frequent == []


def test_texts_that_need_no_network_exist() -> None:
    path = catalogue.find_text(catalogue.bundled_name())
    assert path
    assert path.is_file()
    assert sum(path.stat().st_size for path in catalogue.python_files()) > 10_000_000
    assert catalogue.find_text("no such text") is None
