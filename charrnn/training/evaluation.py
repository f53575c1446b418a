"""The periodic evaluation of the averaged weights."""

import threading

from charrnn.analysis.scoring import LARGEST_EVALUATION, held_out_loss
from charrnn.config.sampling import SampleConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.vocabulary import Codes
from charrnn.model.network import CharRNN
from charrnn.numerics.precision import autocast
from charrnn.numerics.randomness import preview_seed
from charrnn.sampling.engines.eager import TorchWriter
from charrnn.sampling.engines.selection import network_writer
from charrnn.sampling.loop import generate
from charrnn.training.divergence import check_evaluation

_PREVIEW = SampleConfig(length=240)


class Evaluator:
    """Evaluate a model on the held-out part of a text, and generate previews with it.

    The weights of the model may be updated in place between two calls. On a GPU, previews share one
    writer, so that its CUDA graph is captured once.
    """

    def __init__(self, model: CharRNN, held_out: Codes, config: ResolvedTrainConfig) -> None:
        self.characters = min(len(held_out), LARGEST_EVALUATION)
        """The number of characters that an evaluation reads."""
        self._model, self._held_out, self._config = model, held_out, config
        self._writer: TorchWriter | None = None

    def warm_up(self) -> None:
        """Evaluate once, so that later evaluations have their usual speed.

        On a GPU, the first one checks and compiles kernels, and captures a CUDA graph.
        """
        self.loss(0, threading.Event())
        self.preview(0)

    def loss(self, step: int, stop: threading.Event) -> float | None:
        """Return the held-out loss in nats per character, None if `stop` was set during it.

        Raises `DivergedError` if it is not finite.
        """
        with autocast(self._model.device, self._config.precision):
            val_loss = held_out_loss(self._model, self._held_out, stop)
        if val_loss is not None:
            check_evaluation(step, val_loss)
        return val_loss

    def preview(self, step: int) -> str:
        """Return a short generated text, a function of the seed and the step."""
        seed = preview_seed(self._config.seed, step)
        writer = self._writer or network_writer(self._model)
        if not writer.copies_weights:
            self._writer = writer
        (text,) = generate(writer, config=_PREVIEW, seed=seed)
        return text
