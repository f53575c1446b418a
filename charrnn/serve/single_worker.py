"""A thread that generates one text at a time with the 8-bit engine, the fastest for one text."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from charrnn.config.sampling import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.sampling.batched_text import NewText
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.loop import stream_samples
from charrnn.serve.batch_worker import DELIVERY_SECONDS, Deliver, explain_failure
from charrnn.serve.generation import TextJob


class SingleText(NamedTuple):
    """What the 8-bit engine needs to generate the text of a job."""

    prompt: str
    config: SampleConfig
    corpus: Corpus | None = None


class SingleTextWorker:
    """Generates the texts of jobs in a thread, one after the other."""

    def __init__(self, load_engine: Callable[[], SamplingEngine], deliver: Deliver) -> None:
        """`load_engine` is called in the thread, for the first text."""
        self._load_engine, self._deliver = load_engine, deliver
        self._engine: SamplingEngine | None = None
        self._thread = ThreadPoolExecutor(1, "charrnn-single-text")

    def start(self, job: TextJob, text: SingleText) -> None:
        """Start to generate the text of a job; called in any thread."""
        self._thread.submit(self._run, job, text)

    def close(self) -> None:
        """End the thread after the current text."""
        self._thread.shutdown(wait=False)

    def _run(self, job: TextJob, text: SingleText) -> None:
        try:
            self._generate(job, text)
        except Exception as error:
            self._deliver([(job, NewText("", (), "stop", explain_failure(error)))])

    def _generate(self, job: TextJob, text: SingleText) -> None:
        if self._engine is None:
            self._engine = self._load_engine()
        new_text, num_characters, next_delivery = "", 0, 0.0
        for piece in stream_samples(self._engine, text.prompt, text.config, text.corpus):
            new_text += piece.text
            if new_text and time.perf_counter() >= next_delivery:
                self._deliver([(job, NewText(new_text))])
                num_characters, new_text = num_characters + len(new_text), ""
                next_delivery = time.perf_counter() + DELIVERY_SECONDS
            if job.is_cancelled:
                break
            job.may_run.wait()
        num_characters += len(new_text)
        reason = "length" if num_characters == text.config.length else "stop"
        self._deliver([(job, NewText(new_text, (), reason))])
