"""The periodic evaluation of the averaged weights."""

import threading

from charrnn.analysis.scoring import held_out_loss
from charrnn.config.sampling import SampleConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.document_index import cut_after_document
from charrnn.data.vocabulary import Codes
from charrnn.model.network import CharRNN
from charrnn.numerics.precision import autocast
from charrnn.numerics.randomness import preview_seed
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.selection import Precision, engine_for_model
from charrnn.sampling.loop import generate
from charrnn.training.divergence import check_evaluation

_PREVIEW = SampleConfig(length=240)
_PREVIEW_DOCUMENTS = 8


class Evaluator:
    """Evaluate a model on the held-out part of a text, and generate previews with it.

    The weights of the model may be updated in place between two calls. On a GPU, previews share one
    engine, so that its CUDA graph is captured once.
    """

    def __init__(self, model: CharRNN, held_out: Codes, config: ResolvedTrainConfig) -> None:
        self._held_out = cut_after_document(held_out, model.separator_code, config.eval_characters)
        self._model, self._config = model, config
        self._engine: EagerEngine | None = None

    @property
    def characters(self) -> int:
        """The number of characters that an evaluation predicts; 0 without a held-out text."""
        return max(0, len(self._held_out) - 1)

    def warm_up(self) -> None:
        """Evaluate once, so that later evaluations have their usual speed.

        On a GPU, the first one checks and compiles kernels, and captures a CUDA graph.
        """
        if self.characters:
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
        """Return a short generated text, a function of the seed and the step.

        If the model generates documents, these are as many as fit, and at least one.
        """
        seed = preview_seed(self._config.seed, step)
        precision: Precision = "float32" if self._config.reproducible else "auto"
        engine = self._engine or engine_for_model(self._model, precision)
        if not engine.copies_weights:
            self._engine = engine
        num_samples = _PREVIEW_DOCUMENTS if engine.separator else 1
        first, *others = generate(engine, config=_PREVIEW, seed=seed, num_samples=num_samples)
        joint = "\n" if engine.separator == "\n" else "\n\n"
        for text in others:
            if len(first) + len(joint) + len(text) > _PREVIEW.length:
                break
            first += joint + text
        return first
