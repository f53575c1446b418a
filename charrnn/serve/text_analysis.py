"""`POST /v1/score` and `POST /v1/activity`: what a model computes for each character of a text."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from charrnn.data.vocabulary import Codes
from charrnn.errors import CheckpointError, ConfigError, CorpusError, VocabularyError
from charrnn.numerics.information import nats_to_bits
from charrnn.serve.api_errors import ApiError, bad_request, from_charrnn_error
from charrnn.serve.completion_request import check_names, drop_nulls, parse_checkpoint, parse_model
from charrnn.serve.models import Models, ServedModel

_MAX_TEXT = 100_000  # characters
_MAX_WAITING = 16  # requests
_DIGITS = 5

Compute = Callable[[ServedModel, Codes, Mapping[str, Any]], dict[str, Any]]


class TextAnalysis:
    """Answers requests one after the other, in a thread."""

    def __init__(self, models: Models) -> None:
        self._models, self._num_waiting = models, 0
        self._thread = ThreadPoolExecutor(1, "charrnn-analysis")

    async def score(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the loss of a text; raise `ApiError`."""
        body = drop_nulls(body)
        check_names(body, {"model", "text", "checkpoint", "unknown", "per_character"})
        if not isinstance(body.get("per_character", False), bool):
            raise bad_request("per_character must be true or false", "per_character")
        return await self._run(_score, body)

    async def activity(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the activity of a unit along a text; raise `ApiError`."""
        body = drop_nulls(body)
        check_names(body, {"model", "text", "checkpoint", "unknown", "unit"})
        if not isinstance(body.get("unit"), str):
            raise bad_request("unit must be LAYER:NUMBER, such as 2:317", "unit")
        return await self._run(_measure_activity, body)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, compute: Compute, body: Mapping[str, Any]) -> dict[str, Any]:
        text, unknown = body.get("text"), body.get("unknown", "error")
        if not isinstance(text, str) or len(text) > _MAX_TEXT:
            raise bad_request(f"text must be a text of at most {_MAX_TEXT:,} characters", "text")
        if unknown not in ("error", "skip"):
            raise bad_request("unknown must be error or skip", "unknown")
        if self._num_waiting >= _MAX_WAITING:
            message = f"{self._num_waiting} texts wait already: try again later"
            raise ApiError(429, message, headers={"Retry-After": "5"})
        self._num_waiting += 1
        try:
            model = await self._models.get(parse_model(body), parse_checkpoint(body))
            codes = model.reader.vocabulary.encode(model.reader.convert(text), unknown)
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, compute, model, codes, body
            )
        except (ConfigError, VocabularyError) as error:
            raise from_charrnn_error(error, param="text") from None
        except CorpusError as error:
            raise bad_request(error.message, "text") from None
        except CheckpointError as error:
            model.is_broken = True
            raise from_charrnn_error(error, model.name) from None
        finally:
            self._num_waiting -= 1


def _score(model: ServedModel, codes: Codes, body: Mapping[str, Any]) -> dict[str, Any]:
    from charrnn.analysis.scoring import score_codes
    from charrnn.analysis.surprise import predict_text

    network = model.load_model()
    answer: dict[str, Any] = {
        "object": "score",
        "model": model.name,
        "checkpoint": model.checkpoint.path.name,
    }
    if body.get("per_character"):
        predictions = predict_text(network, codes, count=1)
        nats = [
            round(float(loss), _DIGITS) if is_predicted else None
            for loss, is_predicted in zip(
                predictions.nats_N, predictions.is_predicted_N, strict=True
            )
        ]
        tokens = list(network.vocabulary.decode(codes))
        answer["per_character"] = {"tokens": tokens, "nats": [None, *nats]}
        mean, characters = predictions.nats_per_char, len(nats) - nats.count(None)
    if network.separator_code is not None or not body.get("per_character"):
        score = score_codes(network, codes)
        mean, characters = score.nats_per_char, score.characters
    return answer | {
        "characters": characters,
        "nats_per_char": mean,
        "bits_per_char": nats_to_bits(mean),
    }


def _measure_activity(model: ServedModel, codes: Codes, body: Mapping[str, Any]) -> dict[str, Any]:
    from charrnn.analysis.units import Unit, unit_activities

    network = model.load_model()
    try:
        unit = Unit.parse(body["unit"], network)
    except ConfigError as error:
        raise bad_request(error.message, "unit") from None
    values: list[float] = []
    if len(codes):
        values = unit_activities(network, codes, [unit])[:, 0].tolist()
    return {
        "object": "activity",
        "model": model.name,
        "checkpoint": model.checkpoint.path.name,
        "unit": str(unit),
        "tokens": list(network.vocabulary.decode(codes)),
        "values": [round(value, _DIGITS) for value in values],
    }
