"""Distributes the texts of requests among the workers of a model.

Requests take turns: the next text to start is that of the request that has waited longest since
its last one. While texts wait, a text leaves its row after some characters and waits for its next
turn. So requests of many or long texts do not delay a short one for long.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from charrnn.errors import CharrnnError
from charrnn.sampling.batched_text import NewText
from charrnn.serve.batch_worker import BatchWorker, Deliver, Update
from charrnn.serve.generation import Generation, TextJob
from charrnn.serve.single_worker import SingleText, SingleTextWorker

_MIN_SHARED = 16
"""Texts of the first worker before another one is used: a step of so few takes hardly more time
than that of one."""

_TURN = 1_000  # characters of a text, after which it leaves its row if other texts wait


class Scheduler:
    """The texts that run, and those that wait for a free row. Used in the event loop's thread."""

    def __init__(
        self,
        start_workers: Callable[[Deliver], list[BatchWorker]],
        start_single: Callable[[Deliver], SingleTextWorker | None],
    ) -> None:
        """Start the worker of the 8-bit engine; workers of batches start with the first text."""
        self._loop = asyncio.get_running_loop()
        self._start_workers = start_workers
        self._single = start_single(self._deliver)
        self._workers: list[BatchWorker] = []
        self._jobs: list[set[TextJob]] = []  # of each worker
        self._waiting: deque[deque[TextJob]] = deque()  # one deque for each request
        self._single_job: TextJob | None = None
        self._unfinished: set[Generation] = set()
        self.num_preparing = 0
        """Texts whose prompts are read; they are counted as waiting."""
        self.last_active = time.monotonic()

    @property
    def num_waiting(self) -> int:
        """The number of texts that wait."""
        return self.num_preparing + sum(map(len, self._waiting))

    @property
    def num_running(self) -> int:
        """The number of texts that are generated now."""
        return sum(map(len, self._jobs)) + (self._single_job is not None)

    @property
    def is_idle(self) -> bool:
        """Whether there is no text, also none that is paused."""
        return not (self._unfinished or self.num_running or self.num_waiting)

    @property
    def accepts_single(self) -> bool:
        """Whether a text would be generated alone, so that the 8-bit engine is the fastest."""
        return self._single is not None and not (
            self._unfinished or self.num_running or self._waiting
        )

    def start_single(self, generation: Generation, text: SingleText) -> None:
        """Start the only text of a request with the 8-bit engine."""
        assert self._single is not None
        (self._single_job,) = generation.jobs
        self._unfinished.add(generation)
        self._single_job.may_run.set()
        self._single.start(self._single_job, text)

    def start(self, generation: Generation) -> None:
        """Start the texts of a request, or let them wait for free rows."""
        if not self._workers:
            self._workers = self._start_workers(self._deliver)
            self._jobs = [set() for _ in self._workers]
        jobs = deque(job for job in generation.jobs if not job.has_finished)
        if jobs:
            self._unfinished.add(generation)
            self._waiting.append(jobs)
            self._admit()

    def resume(self, generation: Generation) -> None:
        """Continue the texts that have paused because their reader was slow."""
        for job in generation.jobs:
            if job.is_paused and not generation.is_slow:
                job.is_paused = False
                job.may_run.set()
                self._restart(job)
        self._admit()

    def cancel(self, generation: Generation) -> None:
        """Stop the texts of a request; their rows are free after the current step."""
        for job in generation.jobs:
            job.is_cancelled, job.is_paused = True, False
            job.may_run.set()
            self._remove(job)
        self._forget_generation(generation)
        cancelled = {*generation.jobs}
        for jobs in list(self._waiting):
            if cancelled & {*jobs}:
                self._waiting.remove(jobs)
        self._admit()

    def stop_all(self, reason: CharrnnError) -> None:
        """End all texts with an error."""
        for generation in list(self._unfinished):
            self.cancel(generation)
            for job in generation.jobs:
                if not job.has_finished:
                    generation.put(job, NewText("", (), "stop", reason))

    def close(self) -> None:
        """End the threads of the workers."""
        for worker in self._workers:
            worker.close()
        if self._single is not None:
            self._single.close()

    def _admit(self) -> None:
        while self._waiting:
            number = self._choose_worker()
            if number is None:
                return
            jobs = self._waiting.popleft()
            job = jobs.popleft()
            if jobs:
                self._waiting.append(jobs)
            job.has_left, job.num_characters = False, 0
            self._jobs[number].add(job)
            self._workers[number].add(job)

    def _choose_worker(self) -> int | None:
        """Return the worker for the next text, None if all are full."""
        if len(self._jobs[0]) < min(_MIN_SHARED, self._workers[0].max_texts):
            return 0
        number = min(range(len(self._jobs)), key=lambda number: len(self._jobs[number]))
        return number if len(self._jobs[number]) < self._workers[number].max_texts else None

    def _deliver(self, updates: Sequence[Update]) -> None:
        """Pass new text to the event loop; called in the thread of a worker."""
        try:
            self._loop.call_soon_threadsafe(self._receive, updates)
        except RuntimeError:  # the event loop was closed while the text was generated
            return

    def _receive(self, updates: Sequence[Update]) -> None:
        for job, new in updates:
            if new is None:
                job.has_left = True
                self._restart(job)
                continue
            job.num_characters += len(new.text)
            if job.has_finished:  # it was stopped
                self._forget(job)
                continue
            job.generation.put(job, new)
            if new.finish_reason:
                self._forget(job)
                if job.generation.has_finished:
                    self._forget_generation(job.generation)
            elif job.generation.is_slow and not (job.is_paused or job.is_cancelled):
                job.is_paused = True
                job.may_run.clear()
                self._remove(job)
            elif self._waiting and job.num_characters >= _TURN:
                self._remove(job)
        self._admit()

    def _forget_generation(self, generation: Generation) -> None:
        self._unfinished.discard(generation)
        self.last_active = time.monotonic()

    def _restart(self, job: TextJob) -> None:
        """Let a text of a batch that was paused wait for a row, once its worker has removed it."""
        is_stopped = job.is_paused or job.is_cancelled or job.has_finished
        if job.text is not None and job.has_left and not is_stopped:
            self._waiting.append(deque([job]))

    def _remove(self, job: TextJob) -> None:
        """Remove a job from the batch that it is in, if any."""
        if (worker := self._forget(job)) is not None:
            worker.remove(job)

    def _forget(self, job: TextJob) -> BatchWorker | None:
        """Return the worker that has a job, after the job was removed from its set."""
        for worker, jobs in zip(self._workers, self._jobs, strict=True):
            if job in jobs:
                jobs.remove(job)
                return worker
        if job is self._single_job and job.has_finished:
            self._single_job = None
        return None
