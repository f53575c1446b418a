"""A thread that samples a running batch. Texts join and leave it between two characters."""

import logging
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from charrnn.errors import CharrnnError
from charrnn.sampling.batched_text import NewText
from charrnn.sampling.engines.interface import RowSamplingEngine
from charrnn.sampling.running_batch import RunningBatch
from charrnn.serve.api_errors import SERVER_FAILED, ServerError
from charrnn.serve.generation import TextJob

DELIVERY_SECONDS = 0.02  # between two deliveries of new text, after the first character

_LOGGER = logging.getLogger(__name__)

Update = tuple[TextJob, NewText | None]
"""New text of a job; None: the job has left its worker, because of `BatchWorker.remove`."""
Deliver = Callable[[Sequence[Update]], None]
"""Receives new text; called in the thread of a worker."""


class BatchWorker:
    """Samples the texts of jobs in a thread, and delivers their new text.

    A job leaves if its text has ended, or after `remove`; it can be added again.
    """

    def __init__(
        self, engine: RowSamplingEngine, thread: ThreadPoolExecutor, deliver: Deliver
    ) -> None:
        self._engine, self._deliver_updates = engine, deliver
        self._batch = RunningBatch(engine)
        self.max_texts = self._batch.num_free
        self._jobs: dict[int, TextJob] = {}  # by the identity of the text
        self._messages: queue.SimpleQueue[tuple[str, TextJob | None]] = queue.SimpleQueue()
        self._added: list[TextJob] = []  # that join at the next step
        self._next_delivery = 0.0
        self._thread = thread
        thread.submit(self._run)

    def add(self, job: TextJob) -> None:
        """Let a job join; called in any thread."""
        self._messages.put(("add", job))

    def remove(self, job: TextJob) -> None:
        """Let a job leave; called in any thread."""
        self._messages.put(("remove", job))

    def close(self) -> None:
        """End the thread after the current step; called in any thread."""
        self._messages.put(("close", None))
        self._thread.shutdown(wait=False)

    def _run(self) -> None:
        while True:
            try:
                if not self._handle_messages():
                    return
                if len(self._batch):
                    self._batch.step()
                    if self._batch.must_collect or time.perf_counter() >= self._next_delivery:
                        self._deliver()
            except Exception as error:
                self._fail(error)

    def _handle_messages(self) -> bool:
        """Add and remove jobs; wait if there is no job. Return whether the thread goes on."""
        if len(self._batch) and self._messages.empty():
            return True
        while not self._messages.empty() or not (self._added or len(self._batch)):
            kind, job = self._messages.get()
            if job is None:
                return False
            if kind == "add":
                self._added.append(job)
            elif job in self._added:
                self._added.remove(job)
                self._deliver_updates([(job, None)])
            else:
                self._remove(job)
        texts = [job.text for job in self._added if job.text is not None]
        if texts:
            self._jobs.update(zip(map(id, texts), self._added, strict=True))
            self._added = []
            self._batch.add(texts)
        return True

    def _remove(self, job: TextJob) -> None:
        self._deliver()
        if job.text is not None and id(job.text) in self._jobs:
            del self._jobs[id(job.text)]
            self._batch.remove([job.text])
        self._deliver_updates([(job, None)])

    def _deliver(self) -> None:
        self._next_delivery = time.perf_counter() + DELIVERY_SECONDS
        updates: list[Update] = []
        for text, new in self._batch.collect():
            updates.append((self._jobs[id(text)], new))
            if new.finish_reason:
                del self._jobs[id(text)]
        if updates:
            self._deliver_updates(updates)

    def _fail(self, error: Exception) -> None:
        """End all texts with an error, and start again with an empty batch."""
        jobs = [*self._jobs.values(), *self._added]
        self._jobs, self._added = {}, []
        self._batch = RunningBatch(self._engine)
        problem = explain_failure(error)
        self._deliver_updates([(job, NewText("", (), "stop", problem)) for job in jobs])


def explain_failure(error: Exception) -> CharrnnError:
    """Return the error for the client; log an error of the server itself."""
    if isinstance(error, CharrnnError):
        return error
    _LOGGER.error("a text could not be generated", exc_info=error)
    return ServerError(SERVER_FAILED)
