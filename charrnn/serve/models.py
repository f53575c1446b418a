"""Models that are loaded to serve requests, and unloaded after a time without one.

An 8-bit engine generates a single text without torch. All other work needs the torch model, which
is loaded for the first request that needs it.
"""

import asyncio
import contextlib
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from charrnn.data.corpus import Corpus
from charrnn.errors import CharrnnError, CheckpointError, DamagedCheckpointWarning
from charrnn.numerics.cpu import available_cores
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import MANIFEST_FILE, STEP_FOLDERS
from charrnn.runs.text_reader import TextReader
from charrnn.sampling.engines.interface import RowSamplingEngine, SamplingEngine
from charrnn.sampling.engines.selection import engine_for_checkpoint, engine_for_model
from charrnn.serve.api_errors import ApiError, from_charrnn_error
from charrnn.serve.batch_worker import BatchWorker, Deliver
from charrnn.serve.scheduler import Scheduler
from charrnn.serve.served_runs import ServedRuns
from charrnn.serve.single_worker import SingleTextWorker

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN

_SHORT = 2_000  # characters of all prompts of a request; longer ones have a thread of their own
_MAX_LOADED = 8  # models; a model that is used is kept
_IDLE_SECONDS = 600.0  # without a request, after which a model is unloaded


Manifests = tuple[tuple[str, int, int], ...]
"""The name of each checkpoint, and the time and the size of its manifest."""


class _Selected(NamedTuple):
    """The checkpoint that a name stands for, while the manifests of the run do not change."""

    manifests: "Manifests"
    digest: str


class ServedModel:
    """A checkpoint, its engines, and the scheduler of its texts."""

    def __init__(self, name: str, checkpoint: Checkpoint) -> None:
        self.name, self.checkpoint = name, checkpoint
        self.reader = TextReader(checkpoint)
        self.scheduler = Scheduler(self._start_workers, self._start_single)
        self._short_prompts = ThreadPoolExecutor(1, "charrnn-short-prompts")
        self._long_prompts = ThreadPoolExecutor(1, "charrnn-long-prompts")
        self.last_used = time.monotonic()
        self.is_broken = False
        """Whether its files could not be read."""
        self._lock, self._corpus_lock = threading.Lock(), threading.Lock()
        self._model: CharRNN | None = None
        self._engine: RowSamplingEngine | None = None
        self._corpus: Corpus | None = None

    @property
    def fingerprint(self) -> str:
        """The name of the checkpoint and the start of its digest."""
        return f"{self.checkpoint.path.name}-{self.checkpoint.origin.sha256[:12]}"

    @property
    def is_ready(self) -> bool:
        """Whether the engine of batches is loaded."""
        return self._engine is not None

    @property
    def engine_name(self) -> str:
        """The name of the engine of batches, which decides what text a seed gives."""
        return "packed" if self.checkpoint.run.config.model.cell == "lstm" else "torch"

    @property
    def is_idle(self) -> bool:
        """Whether no text needs the model, also none that is paused."""
        return self.scheduler.is_idle

    @property
    def idle_seconds(self) -> float:
        """The time since the last request began or ended."""
        return time.monotonic() - max(self.last_used, self.scheduler.last_active)

    def choose_prompt_thread(self, prompt_characters: int) -> ThreadPoolExecutor:
        """Return the thread that reads the prompts of a request."""
        return self._short_prompts if prompt_characters <= _SHORT else self._long_prompts

    def load_model(self) -> "CharRNN":
        """Return the torch model; the first call loads it, in any thread."""
        if self._model is not None:
            return self._model
        with self._lock:
            if self._model is None:
                from charrnn.model.loading import load_checkpoint

                self._model = load_checkpoint(self.checkpoint, "cpu")
            return self._model

    def load_engine(self) -> RowSamplingEngine:
        """Return the engine of batches; the first call makes it, in any thread."""
        if self._engine is not None:
            return self._engine
        model = self.load_model()
        with self._lock:
            if self._engine is None:
                self._engine = engine_for_model(model)
            return self._engine

    def load_corpus(self) -> Corpus:
        """Return the text of the run, for `max_copy`; raise `ApiError` if it cannot be read."""
        with self._corpus_lock:
            if self._corpus is None:
                try:
                    self._corpus = self.reader.reopen()
                except CharrnnError:
                    message = f"max_copy cannot be used: the text of {self.name} cannot be read"
                    raise ApiError(400, message, param="max_copy") from None
            return self._corpus

    def close(self) -> None:
        """End the threads of the model."""
        self.scheduler.close()
        for thread in (self._short_prompts, self._long_prompts):
            thread.shutdown(wait=False, cancel_futures=True)

    def _start_workers(self, deliver: Deliver) -> list[BatchWorker]:
        from charrnn.numerics.threads import make_thread

        return [
            BatchWorker(self.load_engine(), make_thread(f"charrnn-batch-{number}", 1), deliver)
            for number in range(available_cores())
        ]

    def _start_single(self, deliver: Deliver) -> SingleTextWorker | None:
        if self.checkpoint.run.config.model.cell != "lstm":
            return None

        def load() -> SamplingEngine:
            return engine_for_checkpoint(self.checkpoint, device="cpu")

        return SingleTextWorker(load, deliver)


class Models:
    """The loaded models. A model is loaded again if its run has a better or newer checkpoint."""

    def __init__(self, runs: ServedRuns) -> None:
        self.runs = runs
        self._loaded: dict[str, ServedModel] = {}  # by the digest of the checkpoint
        self._selected: dict[tuple[str, str], _Selected] = {}
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "charrnn-load")

    def __iter__(self) -> Iterator[ServedModel]:
        """Return an iterator over the loaded models."""
        return iter(list(self._loaded.values()))

    async def get(self, name: str, checkpoint: str) -> ServedModel:
        """Return the model of a checkpoint of a run; raise `ApiError`."""
        manifests = self._list_manifests(name)
        selected = self._selected.get((name, checkpoint))
        model = self._loaded.get(selected.digest) if selected else None
        if model is None or model.is_broken or selected is None or selected.manifests != manifests:
            async with self._lock:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._select, name, checkpoint
                )
                digest = found.origin.sha256
                self._selected[name, checkpoint] = _Selected(manifests, digest)
                model = self._loaded.get(digest)
                if model is None or model.is_broken:
                    try:
                        model = ServedModel(name, found)
                    except CharrnnError as error:
                        raise from_charrnn_error(error, name) from None
                    self._loaded[digest] = model
                self._unload_others(model)
        model.last_used = time.monotonic()
        return model

    def unload_idle(self) -> None:
        """Unload models without a request for ten minutes."""
        for digest, model in list(self._loaded.items()):
            if model.is_idle and model.idle_seconds > _IDLE_SECONDS:
                self._loaded.pop(digest).close()

    def stop_all(self, reason: CharrnnError) -> None:
        """End all texts with an error."""
        for model in self:
            model.scheduler.stop_all(reason)

    def close(self) -> None:
        """End the threads of all models."""
        for model in self:
            model.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _unload_others(self, used: ServedModel) -> None:
        """Unload idle models that no name stands for any more, and those above the maximum."""
        current = {selected.digest for selected in self._selected.values()}
        others = [item for item in self._loaded.items() if item[1] is not used]
        others.sort(key=lambda item: (item[0] in current, -item[1].idle_seconds))
        for digest, model in others:
            is_needed = digest in current and len(self._loaded) <= _MAX_LOADED
            if model.is_idle and not is_needed:
                self._loaded.pop(digest).close()

    def _list_manifests(self, name: str) -> Manifests:
        """Return what changes if a run has a new checkpoint, also one of the same step."""
        manifests, path = [], self.runs.path(name)
        paths = [folder / MANIFEST_FILE for folder in sorted(path.glob(STEP_FOLDERS))]
        for file in [path] if path.is_file() else paths:
            with contextlib.suppress(OSError):  # it is being written, or was removed
                status = file.stat()
                manifests.append((file.parent.name, status.st_mtime_ns, status.st_size))
        return tuple(manifests)

    def _select(self, name: str, checkpoint: str) -> Checkpoint:
        run = self.runs.open(name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DamagedCheckpointWarning)
                return run.select(checkpoint)
        except CheckpointError:
            known = ", ".join(checkpoint.path.name for checkpoint in run.checkpoints())
            raise ApiError(
                404,
                f"the run {name} has no intact checkpoint {checkpoint}; it has {known or 'none'}",
                param="checkpoint",
            ) from None
