"""The layout of a run folder: the names and sizes of its files.

`RunFolder` is the part of a run that a checkpoint uses; `charrnn.runs.run.Run` adds the
checkpoints. Names that start with a dot are temporary: see `charrnn.runs.saving`.

    RUN/config.json
    RUN/metrics.jsonl
    RUN/tensorboard/     only with `--report-to tensorboard`
    RUN/step-00001000/   model.safetensors  trainer.safetensors  state.json  manifest.json
                         gradient_squares.safetensors (not in checkpoints of charrnn 0.1.0)
"""

import os
from dataclasses import dataclass
from pathlib import Path

from charrnn.runs.run_config import RunConfig

CONFIG_FILE, MANIFEST_FILE, STATE_FILE = "config.json", "manifest.json", "state.json"
MODEL_FILE, TRAINER_FILE = "model.safetensors", "trainer.safetensors"
GRADIENT_SQUARES_FILE = "gradient_squares.safetensors"
GRADIENT_SQUARES = "gradient_squares"
"""The key of that file's record in the manifest, which charrnn 0.1.0 does not read."""
METRICS_FILE = "metrics.jsonl"
TENSORBOARD_FOLDER = "tensorboard"
STEP_FOLDERS = "*step-*"  # also a checkpoint while it is replaced: see `charrnn.runs.saving`

MAX_OVERHEAD_BYTES = 1 << 20
"""Maximum bytes of a checkpoint in addition to its arrays: headers, state, manifest."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder: its path and the contents of its `config.json`."""

    path: Path
    config: RunConfig

    @property
    def name(self) -> str:
        """The name of the run: that of its folder."""
        return Path(os.path.abspath(self.path)).name

    @property
    def metrics_path(self) -> Path:
        """The path of the metrics of the run: see `charrnn.runs.metrics`."""
        return self.path / METRICS_FILE

    def step_folder(self, step: int) -> Path:
        """Return the folder of the checkpoint of a step."""
        return self.path / f"step-{step:08d}"

    @property
    def checkpoint_bytes(self) -> int:
        """The size of the arrays of a checkpoint in bytes.

        The arrays are the weights, the averaged weights, two optimizer moments, the state, and the
        states of the teachers, which the checkpoint of step 0 does not contain.
        """
        parameters = self.config.model.count_parameters(len(self.config.vocabulary))
        return 16 * parameters + (1 + self.config.training.teachers) * self.state_bytes

    @property
    def state_bytes(self) -> int:
        """The size of the state of all streams of one network in bytes."""
        model, batch = self.config.model, self.config.training.batch_size
        state_tensors = 2 if model.cell == "lstm" else 1
        return 4 * state_tensors * model.num_layers * batch * model.hidden_size
