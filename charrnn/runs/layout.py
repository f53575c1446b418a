"""The run folder on disk: the names of its files, and their sizes.

`RunFolder` is what a checkpoint knows of its run; `charrnn.runs.run.Run` adds the checkpoints.
Names that begin with a dot exist while something is written: see `charrnn.runs.saving`.

    RUN/config.json
    RUN/metrics.jsonl
    RUN/step-00001000/   model.safetensors  trainer.safetensors  state.json  manifest.json
"""

from dataclasses import dataclass
from pathlib import Path

from charrnn.runs.run_config import RunConfig

FORMAT = 1
"""Raised when config.json or a checkpoint holds what an older charrnn cannot read; tests keep a run
of each number."""

CONFIG_FILE, MANIFEST_FILE, STATE_FILE = "config.json", "manifest.json", "state.json"
MODEL_FILE, TRAINER_FILE = "model.safetensors", "trainer.safetensors"
METRICS_FILE = "metrics.jsonl"
STEP_FOLDERS = "step-*"

MAX_OVERHEAD_BYTES = 1 << 20
"""Bytes of a checkpoint beside its arrays, at most: headers, state, manifest."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder: where it is, and what its `config.json` holds."""

    path: Path
    config: RunConfig

    @property
    def metrics_path(self) -> Path:
        """The file of the run's curves: see `charrnn.runs.metrics`."""
        return self.path / METRICS_FILE

    def step_folder(self, step: int) -> Path:
        """Return the folder of the checkpoint of a step."""
        return self.path / f"step-{step:08d}"

    @property
    def checkpoint_bytes(self) -> int:
        """The size of a checkpoint's arrays: weights four times over, and the carried state."""
        model, batch = self.config.model, self.config.training.batch_size
        parts = 2 if model.cell == "lstm" else 1
        state = parts * model.num_layers * batch * model.hidden_size
        return 4 * (4 * model.count_parameters(len(self.config.vocabulary)) + state)
