"""Print 20 characters of the run `verse`, generated without torch."""

import sys

from charrnn.data.vocabulary import Vocabulary
from charrnn.runs.find import find_run
from charrnn.sampling.engines.int8.engine import Int8Engine
from charrnn.sampling.loop import generate

checkpoint = find_run("verse").select("best")
config = checkpoint.run.config
engine = Int8Engine(
    checkpoint.load("model"),
    config.model,
    Vocabulary(config.vocabulary),
    config.corpus.line_start,
)
print(generate(engine, length=20, seed=1)[0])
assert "torch" not in sys.modules
