"""Notes on a text and on the settings of a new run that a user probably does not intend."""

from charrnn.config.counts import format_count
from charrnn.config.training import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.data.corpus_notes import describe_corpus, describe_split
from charrnn.data.vocabulary import Codes

_PASSAGE = 50  # characters: two texts rarely have so many in common by chance
_NUM_PASSAGES = 50  # of the held-out part, at equal distances, that are searched for
_MAX_SEARCHED = 100_000_000  # characters of the training part; takes a few seconds
_CHUNK = 1 << 22  # characters that are searched at once
_MIN_SHARE = 0.5  # of the passages, from which there is a note


def list_text_notes(text: Corpus, val_fraction: float) -> tuple[str, ...]:
    """Return a sentence for each unusual property of the text of a run."""
    if len(text.counts) == 1:
        return (
            *describe_corpus(text),
            "the text has only one distinct character, so there is nothing to learn",
        )
    return (
        *describe_corpus(text),
        *describe_split(text, val_fraction),
        *describe_repeated_text(*text.split(val_fraction)),
    )


def describe_repeated_text(training: Codes, held_out: Codes) -> tuple[str, ...]:
    """Return a note if most of the held-out part also occurs in the training part, else nothing."""
    share = measure_repeated_share(training, held_out)
    if share < _MIN_SHARE:
        return ()
    amount = "the whole" if share == 1 else f"about {share:.0%} of the"
    return (
        f"{amount} held-out part also occurs word for word in the training part, so the held-out "
        "loss does not show how well the model predicts a new text: remove repeated files or "
        "passages from the text",
    )


def measure_repeated_share(training: Codes, held_out: Codes) -> float:
    """Return the fraction of passages of the held-out part that occur in the training part.

    Up to 50 passages of 50 characters are searched for, in up to 100 million characters.
    """
    length = min(_PASSAGE, len(held_out))
    count = min(_NUM_PASSAGES, len(held_out) // max(1, length))
    if not count or length < _PASSAGE // 2:
        return 0.0
    starts = [(len(held_out) - length) * index // max(1, count - 1) for index in range(count)]
    missing = {held_out[start : start + length].tobytes() for start in starts}
    total = len(missing)
    for first in range(0, min(len(training), _MAX_SEARCHED), _CHUNK):
        chunk = training[first : first + _CHUNK + length - 1].tobytes()
        missing = {passage for passage in missing if not _occurs(passage, chunk, held_out.itemsize)}
    return 1 - len(missing) / total


def _occurs(passage: bytes, text: bytes, character_size: int) -> bool:
    """Return whether a passage starts at a character of a text; both are codes of one size."""
    position = text.find(passage)
    while position >= 0 and position % character_size:
        position = text.find(passage, position + 1)
    return position >= 0


def describe_short_warmup(config: TrainConfig, horizon: int | None) -> tuple[str, ...]:
    """Return a note if the run is too short for the warm-up that the user set, else nothing."""
    is_default = config.warmup_steps == TrainConfig().warmup_steps
    if is_default or horizon is None or config.warmup_steps <= horizon // 10:
        return ()
    return (
        f"the warm-up has {format_count(horizon // 10, 'step')} instead of "
        f"{config.warmup_steps:,}, because it is at most a tenth of the {horizon:,} steps of the "
        "run",
    )
