"""Counts and times of the server, in the text format of Prometheus."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from charrnn.serve.models import ServedModel

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "charrnn_requests", "Answers.", ["route", "status"], registry=self._registry
        )
        self._cancelled = Counter(
            "charrnn_cancelled_requests", "Clients that disconnected.", registry=self._registry
        )
        self._characters = Counter(
            "charrnn_generated_characters", "Characters.", registry=self._registry
        )
        self._first = Histogram(
            "charrnn_first_character_seconds",
            "Seconds until the first new text.",
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._texts = Gauge("charrnn_texts", "Texts by state.", ["state"], registry=self._registry)
        self._models = Gauge("charrnn_loaded_models", "Loaded models.", registry=self._registry)

    def count_request(self, route: str, status: int) -> None:
        """Count an answer."""
        self._requests.labels(route, str(status)).inc()

    def count_cancelled(self) -> None:
        """Count a client that disconnected before its text was complete."""
        self._cancelled.inc()

    def count_characters(self, characters: int) -> None:
        """Count generated characters."""
        self._characters.inc(characters)

    def observe_first(self, seconds: float) -> None:
        """Record the time until the first new text of a request."""
        self._first.observe(seconds)

    def render(self, models: Iterable[ServedModel]) -> bytes:
        """Return all metrics."""
        schedulers = [model.scheduler for model in models]
        self._models.set(len(schedulers))
        self._texts.labels("running").set(sum(item.num_running for item in schedulers))
        self._texts.labels("waiting").set(sum(item.num_waiting for item in schedulers))
        return generate_latest(self._registry)
