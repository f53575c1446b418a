"""The required and the desired results on a GPU."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A limit for the result called `name`, which a task prints; `aim` is a stricter goal."""

    name: str
    task: str
    title: str
    limit: float
    aim: float | None = None
    is_maximum: bool = False

    def is_met(self, value: float) -> bool:
        """Whether a result meets the bar; NaN does not."""
        return not math.isnan(value) and self._reaches(value, self.limit)

    def reaches_aim(self, value: float) -> bool:
        """Whether a result reaches the aim; false if there is no aim."""
        return self.aim is not None and self._reaches(value, self.aim)

    def _reaches(self, value: float, limit: float) -> bool:
        return value <= limit if self.is_maximum else value >= limit


DTYPES = ("bfloat16", "float16")
REPEATS = 50
RESUMES = 10

BARS = (
    *(
        Bar(
            f"kernel-{dtype}-largest-difference",
            f"kernel-{dtype}",
            f"kernel against cuDNN, {dtype}, all batch sizes",
            limit=0.01,
            is_maximum=True,
        )
        for dtype in DTYPES
    ),
    *(
        Bar(
            f"kernel-{dtype}-identical-repeats",
            "kernel-repeats",
            f"identical bits on repeat, {dtype}",
            limit=REPEATS,
        )
        for dtype in DTYPES
    ),
    # The sums are added in two orders; a defect of the graph changes losses by much more.
    *(
        Bar(
            f"graph-loss-difference-{size}",
            "steps",
            f"losses of 20 steps {size}, graph and single steps",
            limit=0.01,
            is_maximum=True,
        )
        for size in ("32x64", "128x128")
    ),
    Bar("training-32x64-times-stock", "steps", "training 32x64, stock float32 = 1", limit=3),
    Bar("training-32x64", "steps", "training 32x64", limit=0.6e6, aim=1.2e6),
    Bar("training-128x128", "steps", "training 128x128", limit=3e6, aim=6e6),
    Bar(
        "train-to-sample",
        "training",
        "charrnn train and sample, defaults",
        limit=120,
        aim=45,
        is_maximum=True,
    ),
    # docs/results/README.md: 1.4032, 1.4052 and 1.4060 with seeds 1 to 3 on a CPU.
    Bar(
        "held-out-loss-256",
        "training",
        "its held-out loss, windows of 256",
        limit=1.4060,
        is_maximum=True,
    ),
    Bar("resume-identical", "resume", "resume at ten steps, bit for bit", limit=RESUMES),
    Bar("sampling-same-text", "same-text", "block engine, same text as torch engine", limit=1),
    Bar("sampling-1-generate", "sampling", "sampling, one text", limit=10_000, aim=20_000),
    Bar("sampling-4096-generate", "sampling", "sampling, 4,096 texts", limit=5e6, aim=20e6),
    Bar("gpu-tests-failed", "gpu-tests", "failed GPU tests", limit=0, is_maximum=True),
    Bar("memcheck-errors", "memcheck", "errors of memcheck", limit=0, is_maximum=True),
    Bar("racecheck-errors", "racecheck", "errors of racecheck", limit=0, is_maximum=True),
)
