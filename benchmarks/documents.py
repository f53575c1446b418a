r"""Compare reading a text as separate documents with reading it as one stream.

    python benchmarks/documents.py names.txt [--separator $'\n'] [--epochs 4] [--threads 1]
        [--json] [--runs FOLDER]

Trains two runs with the default settings and the same number of passes, one after the other.
Prints for both:

    loss       of the whole documents in the last tenth of the text, in nats per character (the end
               of a document is one). The stream reads them in order and carries its state; each
               document is read from the initial state.
    speed      the median of the speeds of training, in characters per second; documents relative
               to the stream
    whole      how many of 200 texts of up to 5,000 characters end at the end of a document. The
               stream continues the first document of the held-out part and a separator: it has not
               learned to start from the initial state.
    well formed   how many of them are complete JSON values (with --json)

Unknown flags are passed to `charrnn train`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from charrnn.analysis.scoring import character_nats
from charrnn.data.document_index import frame_documents
from charrnn.data.vocabulary import Codes
from charrnn.model.loading import load_checkpoint
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.runs.text_reader import TextReader
from charrnn.sampling.engines.selection import engine_for_model
from charrnn.sampling.loop import generate

SAMPLES, LENGTH = 200, 5_000


class Result(NamedTuple):
    """The result of a run; see the top of this file."""

    loss: float
    speed: float
    whole: int
    well_formed: int


def measure(run: Run, held_out: Codes, separator: str) -> Result:
    """Measure a finished run on the codes of documents."""
    model = load_checkpoint(run.select("best"))
    prompt, stop = "", None
    if model.separator_code is None:
        first = model.vocabulary.decode(held_out).split(separator, 1)[0]
        prompt, stop = first + separator, separator
        # It reads the separator before the first document, and predicts all documents.
        held_out = frame_documents(held_out, model.vocabulary.characters.index(separator))
    loss = float(character_nats(model, held_out).mean(dtype="float64"))
    rows = read_rows(run.metrics_path)
    speeds = [row["characters_per_second"] for row in rows if row["characters_per_second"]]
    texts = generate(
        engine_for_model(model), prompt, length=LENGTH, num_samples=SAMPLES, seed=1, stop=stop
    )
    whole = [text for text in texts if len(text) < LENGTH]
    return Result(loss, statistics.median(speeds), len(whole), sum(map(is_json, whole)))


def is_json(text: str) -> bool:
    """Return whether a text is one JSON value."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def train(text: str, run: Path, separator: str, flags: list[str], *, documents: bool) -> Run:
    """Train a run in a new process, so that both start alike."""
    reading = ["--document-separator", separator] if documents else ["--no-documents"]
    command = [sys.executable, "-m", "charrnn", "train", text, "-o", str(run), *reading, *flags]
    subprocess.run([*command, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return Run.open(run)


def main() -> None:
    """Train both runs, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text")
    parser.add_argument("--separator", default="\n")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=Path)
    arguments, flags = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, separator = arguments.runs or Path(temporary), arguments.separator
        runs = [
            train(arguments.text, folder / name, separator, flags, documents=documents)
            for name, documents in (("stream", False), ("documents", True))
        ]
        held_out = TextReader(runs[1].select("best")).split()[1]
        stream, documents = (measure(run, held_out, separator) for run in runs)
    for name, result in (("stream", stream), ("documents", documents)):
        formed = f", well formed {result.well_formed / SAMPLES:.0%}" if arguments.json else ""
        print(
            f"{name}: loss {result.loss:.4f}, {result.speed:,.0f} characters per second, whole "
            f"{result.whole / SAMPLES:.0%}{formed}"
        )
    print(f"speed {documents.speed / stream.speed:.2f}, loss {documents.loss - stream.loss:+.4f}")


if __name__ == "__main__":
    main()
