"""Measure the quality of the texts that a model generates, next to pieces of its held-out text.

    python benchmarks/text_quality.py RUN [--corpus FILE] [-t 0.8,1] [--min-p 0.05,0.1]
                                      [--max-copy 59] [--seed 1] [--show 800]

Prints a row for the pieces of the held-out text and one for each pair of a temperature and a min-p
(default: the default settings of `charrnn sample`):

    non-words      words that occur nowhere in the text of the run, as a fraction of all words. For
                   the held-out pieces: nowhere in the training part.
    distinct       distinct words of a text divided by its words. It depends on the length, so all
                   texts are as long as the pieces: 20,000 characters, or the held-out part if that
                   is shorter.
    of held-out    distinct words, relative to those of the held-out pieces
    loops          texts in which a passage is repeated at least three times in a row
    longest copy   longest run of characters that also occurs in the training part, in any text
    copied         fraction of the characters inside copied runs of at least 30 characters

A word is letters of any alphabet, with apostrophes inside; case is ignored. `--show` also prints
the beginning of the first text of each pair.
"""

import argparse
import dataclasses
import re
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import charrnn
from charrnn.config.sampling import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.model.loading import load_checkpoint
from charrnn.runs.find import find_run
from charrnn.runs.text_reader import TextReader
from charrnn.sampling.novelty import measure_novelty
from charrnn.sampling.repetition import find_loop

TEXTS, LENGTH = 20, 20_000
_UNKNOWN = "\ufffe"  # in no text, so that no copied run extends over two texts
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")


class Quality(NamedTuple):
    """The quality of texts of one length: means over the texts, except where it says otherwise."""

    non_words: float
    distinct: float
    loops: int
    """The number of texts with a loop."""
    longest_copy: int
    """The maximum over the texts, in characters."""
    copied: float


def list_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without a last word that may be incomplete."""
    end = len(text) if not text or not text[-1].isalpha() else text.rfind(" ") + 1
    return _WORD.findall(text[:end].lower())


def has_loop(text: str) -> bool:
    """Return whether a passage is repeated at least three times in a row anywhere in a text."""
    return any(find_loop(text[:end]) is not None for end in range(1, len(text) + 1))


def measure_quality(texts: Sequence[str], known: set[str], training: Corpus) -> Quality:
    """Measure texts; `known` are the words that are not non-words."""
    words = [list_words(text) for text in texts]
    copies = measure_novelty(_UNKNOWN.join(texts), training)  # far faster than one by one
    return Quality(
        statistics.mean(sum(word not in known for word in text) / len(text) for text in words),
        statistics.mean(len(set(text)) / len(text) for text in words),
        sum(map(has_loop, texts)),
        copies.longest,
        copies.share,
    )


def print_row(name: str, quality: Quality, held_out: Quality) -> None:
    """Print the quality of texts as one row of the table."""
    print(
        f"{name:26} {quality.non_words:9.1%} {quality.distinct:9.3f} "
        f"{quality.distinct / held_out.distinct:12.2f} {quality.loops:6} "
        f"{quality.longest_copy:13} {quality.copied:7.1%}",
        flush=True,
    )


def parse_numbers(text: str) -> list[float]:
    """Return numbers that are separated by commas."""
    return [float(number) for number in text.split(",")]


def main() -> None:
    """Measure and print."""
    defaults = SampleConfig()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--corpus", help="the text of the run, if it has moved")
    parser.add_argument("-t", "--temperature", type=parse_numbers, default=defaults.temperatures)
    parser.add_argument("--min-p", type=parse_numbers, default=[defaults.min_p])
    parser.add_argument("--max-copy", type=int, help="see `charrnn sample`")
    parser.add_argument("-s", "--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, metavar="CHARACTERS")
    arguments = parser.parse_args()

    checkpoint = find_run(arguments.run).select("best")
    corpus = TextReader(checkpoint).reopen(arguments.corpus)
    codes = corpus.split(checkpoint.run.config.training.val_fraction)
    training = dataclasses.replace(corpus, codes=codes[0])
    training_text, held_out = (corpus.vocabulary.decode(part) for part in codes)
    length = min(LENGTH, len(held_out))
    pieces = [
        held_out[start : start + length] for start in range(0, len(held_out) - length + 1, length)
    ]
    known = set(list_words(training_text))
    print(f"{arguments.run} on {corpus.name}: texts of {length:,} characters\n")
    print(
        f"{'texts':26} {'non-words':>9} {'distinct':>9} {'of held-out':>12} {'loops':>6} "
        f"{'longest copy':>13} {'copied':>7}"
    )
    expected = measure_quality(pieces, known, training)
    print_row(f"{len(pieces)} held-out pieces", expected, expected)
    known |= set(list_words(held_out))

    model, shown = load_checkpoint(checkpoint), []
    for temperature in arguments.temperature:
        for min_p in arguments.min_p:
            config = SampleConfig(
                temperature=temperature,
                min_p=min_p,
                length=length,
                num_samples=TEXTS,
                seed=arguments.seed,
                max_copy=arguments.max_copy,
            )
            texts = charrnn.generate(model, config=config, corpus=training)
            name = f"temperature {temperature:g}, min-p {min_p:g}"
            print_row(name, measure_quality(texts, known, training), expected)
            shown.append(f"\n{name}, seed {arguments.seed}:\n\n{texts[0][: arguments.show]}")
    if arguments.show:
        print("\n".join(shown))


if __name__ == "__main__":
    main()
