"""Fuzz a target with inputs that reach new code (needs the package atheris).

    python -m tests.fuzzing.fuzz TARGET [FLAGS OF libFuzzer]

`-max_total_time=60` ends it after a minute. The current folder gets the corpus, and an input that
raises an error, as `crash-...`: add it to tests/data/fuzzing/TARGET, where the tests read it again.
"""

import os
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["charrnn"]):
    from tests.fuzzing.targets import TARGETS


def main() -> None:
    """Fuzz the target in a folder of its own."""
    name, *flags = sys.argv[1:]
    corpus = Path("corpus").absolute()
    corpus.mkdir(exist_ok=True)
    Path("work").mkdir(exist_ok=True)
    artifacts = f"-artifact_prefix={Path.cwd()}/"
    os.chdir("work")
    warnings.simplefilter("ignore")
    target = TARGETS[name]()
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], str(corpus), artifacts, *flags], target.read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
