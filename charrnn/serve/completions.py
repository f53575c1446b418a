"""`POST /v1/completions`: start the texts of a request, and send them."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from charrnn.errors import CharrnnError, CheckpointError
from charrnn.sampling.batched_text import NewText
from charrnn.sampling.constraints import make_text_rules
from charrnn.serve.api_errors import ApiError, from_charrnn_error
from charrnn.serve.completion_format import Choice, Envelope, ScoredPrompt, count_usage, merge
from charrnn.serve.completion_request import CompletionRequest
from charrnn.serve.generation import Generation
from charrnn.serve.json_response import JSONResponse, answer_error, to_json_bytes
from charrnn.serve.metrics import Metrics
from charrnn.serve.models import ServedModel
from charrnn.serve.prompt_reading import PreparedTexts, prepare_texts
from charrnn.serve.single_worker import SingleText

MAX_WAITING = 256  # texts of a model that wait for a free row
_SHORT, _FEW = 200, 8
"""Characters of all prompts, and texts of each, that are prepared in the event loop: a thread would
take longer to start than to prepare them."""

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]


async def start_completion(
    request: CompletionRequest, model: ServedModel, metrics: Metrics
) -> "CompletionResponse":
    """Start the texts of a request; raise `ApiError` if it is wrong, or if too many texts wait."""
    num_texts, scheduler = len(request.prompts) * request.n, model.scheduler
    if scheduler.num_waiting + num_texts > MAX_WAITING:
        raise ApiError(
            429,
            f"{scheduler.num_waiting} texts wait already: try again later",
            code="rate_limit_exceeded",
            headers={"Retry-After": "1"},
        )
    scheduler.num_preparing += num_texts
    try:
        return await _prepare_and_start(request, model, metrics)
    except CharrnnError as error:
        model.is_broken |= isinstance(error, CheckpointError)
        raise from_charrnn_error(error, model.name) from None
    finally:
        scheduler.num_preparing -= num_texts


async def _prepare_and_start(
    request: CompletionRequest, model: ServedModel, metrics: Metrics
) -> "CompletionResponse":
    generation = Generation(len(request.prompts) * request.n, limits_unsent=request.stream)
    loop = asyncio.get_running_loop()
    is_single = request.can_be_single and model.scheduler.accepts_single
    if is_single:
        single, prepared = await loop.run_in_executor(None, _prepare_single, request, model)
        if model.scheduler.accepts_single:
            model.scheduler.start_single(generation, single)
            return CompletionResponse(request, model, generation, prepared, metrics, "int8")
    if model.is_ready and _is_prepared_quickly(request):
        prepared = prepare_texts(request, model)
    else:
        thread = model.choose_prompt_thread(sum(map(len, request.prompts)))
        prepared = await loop.run_in_executor(thread, prepare_texts, request, model)
    for job, text in zip(generation.jobs, prepared.texts, strict=True):
        job.text = text
        if not text.has_work:
            generation.put(job, text.take())
    model.scheduler.start(generation)
    return CompletionResponse(request, model, generation, prepared, metrics, model.engine_name)


def _is_prepared_quickly(request: CompletionRequest) -> bool:
    is_short = sum(map(len, request.prompts)) <= _SHORT
    has_few = len(request.prompts) * request.n <= _FEW
    return is_short and has_few and request.config.max_copy is None


def _prepare_single(
    request: CompletionRequest, model: ServedModel
) -> tuple[SingleText, PreparedTexts]:
    """Return the text for the 8-bit engine; raise `CharrnnError` if it cannot be generated."""
    reader, vocabulary = model.reader, model.reader.vocabulary
    config, separator = request.config, model.checkpoint.run.config.text.separator
    if request.stops:
        config = dataclasses.replace(config, stop=reader.convert(request.stops[0]))
    corpus = model.load_corpus() if config.max_copy else None
    prompt = reader.convert(request.prompts[0])
    separator = separator if separator in vocabulary else None
    make_text_rules(config, vocabulary, corpus, separator, prompt)
    codes = vocabulary.encode(prompt, config.unknown)
    text = vocabulary.decode(codes)
    return SingleText(prompt, config, corpus), PreparedTexts([], [ScoredPrompt(text)], [0])


class CompletionResponse:
    """The answer to a request, as an ASGI application.

    If the client disconnects, its texts stop.
    """

    def __init__(
        self,
        request: CompletionRequest,
        model: ServedModel,
        generation: Generation,
        prepared: PreparedTexts,
        metrics: Metrics,
        engine: str,
    ) -> None:
        self._request, self._generation, self._model = request, generation, model
        self._metrics, self._prompts = metrics, prepared.prompts
        has_scores = request.logprobs is not None
        vocabulary = model.reader.vocabulary
        self._choices = [
            Choice(index, vocabulary, num_given, has_scores=has_scores)
            for index, num_given in enumerate(prepared.num_given)
        ]
        fingerprint = f"{engine}-{model.fingerprint}"
        self._envelope = Envelope(request.model, fingerprint, request.warnings)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Send the answer."""
        answer = self._send_stream if self._request.stream else self._send_whole
        tasks = [
            asyncio.create_task(answer(scope, receive, send)),
            asyncio.create_task(_wait_for_disconnect(receive)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if not self._generation.has_finished:
                self._model.scheduler.cancel(self._generation)
                self._metrics.count_cancelled()

    async def _send_whole(self, scope: Any, receive: Receive, send: Send) -> None:
        parts: list[list[dict[str, Any]]] = [
            [choice.echo(self._prompt(choice))] if self._request.echo else []
            for choice in self._choices
        ]
        async for updates in self._updates():
            for index, new in updates:
                if new.error is not None:
                    error = from_charrnn_error(new.error, self._model.name)
                    await answer_error(error)(scope, receive, send)
                    return
                parts[index].append(self._choices[index].add(new))
        answer = self._envelope.wrap([*map(merge, parts)], self._usage())
        await JSONResponse(answer)(scope, receive, send)

    async def _send_stream(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if self._request.echo:
            echoed = [choice.echo(self._prompt(choice)) for choice in self._choices]
            await self._send_event(send, self._envelope.wrap(echoed))
        async for updates in self._updates():
            for index, new in updates:
                if new.error is not None:
                    error = from_charrnn_error(new.error, self._model.name)
                    await self._send_event(send, error.to_json())
                choice = self._choices[index].add(new)
                await self._send_event(send, self._envelope.wrap([choice]))
            self._model.scheduler.resume(self._generation)
        if self._request.include_usage:
            await self._send_event(send, self._envelope.wrap([], self._usage()))
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async def _updates(self) -> AsyncIterator[Sequence[tuple[int, NewText]]]:
        """Yield new text, with the numbers of its texts, until all texts have ended."""
        started, num_ended = time.perf_counter(), 0
        while num_ended < len(self._choices):
            updates = await self._generation.get()
            if not num_ended and not any(choice.num_characters for choice in self._choices):
                self._metrics.observe_first(time.perf_counter() - started)
            self._metrics.count_characters(sum(len(new.text) for _, new in updates))
            num_ended += sum(new.finish_reason is not None for _, new in updates)
            yield updates

    async def _send_event(self, send: Send, value: dict[str, Any]) -> None:
        body = b"data: " + to_json_bytes(value) + b"\n\n"
        await send({"type": "http.response.body", "body": body, "more_body": True})

    def _prompt(self, choice: Choice) -> ScoredPrompt:
        return self._prompts[choice.index // self._request.n]

    def _usage(self) -> dict[str, int]:
        read = sum(len(prompt.text) for prompt in self._prompts)
        return count_usage(read, sum(choice.num_characters for choice in self._choices))


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
