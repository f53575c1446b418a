"""The web application: which function answers which request."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from charrnn.reports.pages import SHADES
from charrnn.serve import run_views
from charrnn.serve.api_errors import SERVER_FAILED, ApiError, StoppingError
from charrnn.serve.bodies import read_object
from charrnn.serve.completion_request import parse_completion
from charrnn.serve.completions import start_completion
from charrnn.serve.docs_page import render_docs
from charrnn.serve.guard import Guard
from charrnn.serve.json_response import JSONResponse, answer_error
from charrnn.serve.metrics import Metrics
from charrnn.serve.models import Models
from charrnn.serve.served_runs import ServedRuns
from charrnn.serve.stopping import Stopping
from charrnn.serve.text_analysis import TextAnalysis

_STATIC = Path(__file__).parent / "static"
_WATCH_SECONDS = 0.25  # between two checks for models without requests, and for the end
_MAX_REPORTS = 4  # that are made or wait


def make_application(
    names: Sequence[str] = (), *, host: str = "127.0.0.1", api_key: str | None = None
) -> Any:
    """Return the ASGI application that serves these runs, or all."""
    metrics = Metrics()
    stopping = Stopping()
    routes = Routes(ServedRuns(names), metrics, stopping)
    application = Starlette(
        routes=routes.list(),
        lifespan=routes.run,
        exception_handlers={
            ApiError: _answer_api_error,
            HTTPException: _answer_http_error,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_bug,
        },
    )
    return Guard(application, host=host, api_key=api_key, metrics=metrics, stopping=stopping)


class Routes:
    """The functions that answer requests, and what they share."""

    def __init__(self, runs: ServedRuns, metrics: Metrics, stopping: Stopping) -> None:
        self._runs, self._metrics, self._stopping = runs, metrics, stopping
        self._models = Models(runs)
        self._analysis = TextAnalysis(self._models)
        self._reports = ThreadPoolExecutor(1, "charrnn-reports")
        self._num_reports = 0

    def list(self) -> list[Route | Mount]:
        """Return all routes."""
        runs = "/v1/runs/{name:path}"
        return [
            Route("/", self._show_page),
            Route("/docs", self._show_docs),
            Route("/static/shades.css", self._show_shades),
            Mount("/static", StaticFiles(directory=_STATIC)),
            Route("/health", self._report_health),
            Route("/metrics", self._report_metrics),
            Route("/v1/models", self._list_models),
            Route("/v1/models/{name:path}", self._show_model),
            Route("/v1/completions", self._complete, methods=["POST"]),
            Route("/v1/chat/completions", self._reject_chat, methods=["GET", "POST"]),
            Route("/v1/score", self._score, methods=["POST"]),
            Route("/v1/activity", self._measure_activity, methods=["POST"]),
            Route("/v1/runs", self._list_runs),
            Route(f"{runs}/events", self._follow_run),
            Route(f"{runs}/report", self._show_report),
            Route(runs, self._show_run),
        ]

    @contextlib.asynccontextmanager
    async def run(self, application: Starlette) -> AsyncIterator[None]:
        """Unload idle models while the server runs; end all texts when it is being stopped."""

        async def watch() -> None:
            while not self._stopping.is_set():
                await asyncio.sleep(_WATCH_SECONDS)
                self._models.unload_idle()
            self._models.stop_all(StoppingError("the server is being stopped"))

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            self._analysis.close()
            self._reports.shutdown(wait=False, cancel_futures=True)
            self._models.close()

    async def _show_page(self, request: Request) -> Response:
        return FileResponse(_STATIC / "index.html")

    async def _show_shades(self, request: Request) -> Response:
        return FileResponse(SHADES)

    async def _show_docs(self, request: Request) -> Response:
        return HTMLResponse(render_docs())

    async def _report_health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _report_metrics(self, request: Request) -> Response:
        text = self._metrics.render(self._models)
        return Response(text, media_type="text/plain; version=0.0.4")

    async def _list_models(self, request: Request) -> Response:
        models = [_describe_model(name, path) for name, path in self._runs.paths().items()]
        return JSONResponse({"object": "list", "data": models})

    async def _show_model(self, request: Request) -> Response:
        name = request.path_params["name"]
        return JSONResponse(_describe_model(name, self._runs.path(name)))

    async def _complete(self, request: Request) -> Any:
        parsed = parse_completion(await read_object(request))
        model = await self._models.get(parsed.model, parsed.checkpoint)
        return await start_completion(parsed, model, self._metrics)

    async def _reject_chat(self, request: Request) -> Response:
        message = "these models continue a text and hold no conversation: use /v1/completions"
        raise ApiError(404, message, code="unsupported")

    async def _score(self, request: Request) -> Response:
        return JSONResponse(await self._analysis.score(await read_object(request)))

    async def _measure_activity(self, request: Request) -> Response:
        return JSONResponse(await self._analysis.activity(await read_object(request)))

    async def _list_runs(self, request: Request) -> Response:
        runs = await asyncio.to_thread(run_views.list_runs, self._runs)
        return JSONResponse({"object": "list", "data": runs})

    async def _show_run(self, request: Request) -> Response:
        name = request.path_params["name"]
        run = self._runs.open(name)
        return JSONResponse(await asyncio.to_thread(run_views.describe_in_full, name, run))

    async def _follow_run(self, request: Request) -> Response:
        after = request.query_params.get("after", "-1")
        if not re.fullmatch(r"-?[0-9]{1,15}", after):
            raise ApiError(400, "after must be the number of a step", param="after")
        run = self._runs.open(request.path_params["name"])
        events = run_views.follow(run, int(after), self._stopping)
        return StreamingResponse(events, media_type="text/event-stream")

    async def _show_report(self, request: Request) -> Response:
        name = request.path_params["name"]
        run = self._runs.open(name)
        if self._num_reports >= _MAX_REPORTS:
            message = f"{self._num_reports} reports are being made: try again later"
            raise ApiError(429, message, headers={"Retry-After": "10"})
        self._num_reports += 1
        try:
            loop = asyncio.get_running_loop()
            page = await loop.run_in_executor(self._reports, run_views.render_report, name, run)
        finally:
            self._num_reports -= 1
        return HTMLResponse(page)


def _describe_model(name: str, path: Path) -> dict[str, Any]:
    try:
        created = int(path.stat().st_mtime)
    except OSError:
        created = 0
    return {"id": name, "object": "model", "created": created, "owned_by": "charrnn"}


async def _answer_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return answer_error(error)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    """Answer an unknown address or method."""
    assert isinstance(error, HTTPException)
    message = (
        f"{request.method} {request.url.path[:200]}: {error.detail}; /docs lists the addresses"
    )
    return answer_error(ApiError(error.status_code, message, headers=dict(error.headers or {})))


async def _answer_nobody(request: Request, error: Exception) -> Response:
    """Answer a client that disconnected while it sent its body."""
    return Response(status_code=400)


async def _answer_bug(request: Request, error: Exception) -> Response:
    """Answer after an error of the server itself; the server logs it."""
    return answer_error(ApiError(500, SERVER_FAILED))
