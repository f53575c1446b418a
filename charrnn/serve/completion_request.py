"""The body of `POST /v1/completions`: its fields, their checks, and their defaults."""

import dataclasses
import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from charrnn.config.checks import MAX_SEED, CheckedFields, Range
from charrnn.config.sampling import SampleConfig
from charrnn.errors import ConfigError
from charrnn.serve.api_errors import bad_request, from_charrnn_error

MAX_TEXTS = 128  # of a request
MAX_PROMPT = 20_000  # characters
_MAX_PROMPTS = 50_000  # characters of all prompts of a request
_MAX_LENGTH = 100_000  # characters
_MAX_WORK = 1_000_000
"""Characters of all texts of a request, each counted once more for each log-probability."""
_MAX_RULE = 1_000  # characters of a setting such as `only`
_MAX_STOPS, _MAX_LIKELY = 16, 20

_SETTINGS = frozenset(
    {"temperature", "top_k", "top_p", "min_p", "ban", "only", "line_length", "acrostic"}
    | {"max_copy", "no_repeat", "unknown", "seed"}
)
"""Fields of the body that are fields of `SampleConfig`."""
_WITHOUT_EFFECT = frozenset(
    {"best_of", "frequency_penalty", "presence_penalty", "logit_bias", "suffix", "user"}
    | {"metadata", "store", "service_tier", "safety_identifier"}
)
"""Fields of OpenAI's API that have no effect here."""
_NEUTRAL = {
    "best_of": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": dict[str, int](),
    "suffix": "",
}
"""Their values that have no effect in OpenAI's API either."""
_OTHERS = frozenset({"prompt", "stop", "stream_options"})
_DEFAULTS = SampleConfig()


@dataclass(frozen=True, kw_only=True)
class CompletionRequest(CheckedFields):
    """A request for text. `warnings` are sentences about fields that have no effect."""

    model: Annotated[str, "Name of the model."]
    max_tokens: Annotated[int, Range(0, _MAX_LENGTH), "Characters to generate."]
    n: Annotated[int, Range(1, MAX_TEXTS), "Texts for each prompt."] = 1
    stream: Annotated[bool, "Whether to send the text while it is generated."] = False
    echo: Annotated[bool, "Whether the texts start with the prompt."] = False
    logprobs: Annotated[
        int | None, Range(0, _MAX_LIKELY), "Likely characters at each position, or None."
    ] = None
    checkpoint: Annotated[str, "best, last or step-N."] = "best"
    prompts: tuple[str, ...] = ("",)
    stops: tuple[str, ...] = ()
    include_usage: bool = False
    config: SampleConfig = _DEFAULTS
    warnings: tuple[str, ...] = ()

    @property
    def can_be_single(self) -> bool:
        """Whether the 8-bit engine may generate the text: there is one, without seed or scores."""
        is_one = len(self.prompts) * self.n == 1 and len(self.stops) <= 1
        return is_one and self.config.seed is None and self.logprobs is None


def parse_completion(body: Mapping[str, Any]) -> CompletionRequest:
    """Return the request of a body; raise `ApiError` for what is wrong. Null means the default."""
    given = drop_nulls(body)
    plain = {field.name for field in dataclasses.fields(CompletionRequest)} - {
        *("prompts", "stops", "include_usage", "config", "warnings")
    }
    check_names(body, {*plain, *_SETTINGS, *_OTHERS, *_WITHOUT_EFFECT})
    prompts, settings = _parse_prompts(given.get("prompt", "")), _parse_settings(given)
    try:
        request = CompletionRequest(
            **{"max_tokens": _DEFAULTS.length, **_select(given, plain)},
            model=parse_model(given),
            prompts=prompts,
            stops=_parse_stops(given.get("stop", [])),
            include_usage=_parse_include_usage(given),
            warnings=tuple(
                f"{name} has no effect here"
                for name in sorted(_WITHOUT_EFFECT)
                if given.get(name, _NEUTRAL.get(name)) != _NEUTRAL.get(name)
            ),
        )
    except ConfigError as error:
        raise from_charrnn_error(error) from None
    parse_checkpoint(given)
    _check_work(request)
    if len(prompts) * request.n > MAX_TEXTS:
        message = f"a request may have at most {MAX_TEXTS} texts, not {len(prompts)} x {request.n}"
        raise bad_request(message, "n")
    return dataclasses.replace(
        request, config=dataclasses.replace(settings, length=request.max_tokens)
    )


def drop_nulls(value: Any, levels: int = 2) -> Any:
    """Return an object without its null values, and with whole numbers such as 5.0 as integers.

    Objects are converted down to `levels` levels, and deeper ones are returned as they are: a body
    can be nested so deeply that a recursion over all levels fails.
    """
    if isinstance(value, Mapping) and levels:
        items = value.items()
        return {name: drop_nulls(item, levels - 1) for name, item in items if item is not None}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _check_work(request: CompletionRequest) -> None:
    """Raise `ApiError` for a request that needs too much time or memory."""
    read = sum(map(len, request.prompts))
    if read > _MAX_PROMPTS:
        message = f"all prompts together may have at most {_MAX_PROMPTS:,} characters, not {read:,}"
        raise bad_request(message, "prompt")
    work = len(request.prompts) * request.n * request.max_tokens
    if request.logprobs is not None:
        work = (work + read * request.n * request.echo) * (1 + request.logprobs)
    if work > _MAX_WORK:
        raise bad_request(
            f"the texts of a request may have at most {_MAX_WORK:,} characters together, each "
            f"counted once more for each log-probability, not {work:,}",
            "max_tokens",
        )


def check_names(body: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise `ApiError` for a field that is not known."""
    for name in body:
        if name not in known:
            similar = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {similar[0]}?" if similar else ""
            raise bad_request(f"there is no field {name[:80]!r}{hint}", name[:80])


def parse_model(given: Mapping[str, Any]) -> str:
    """Return the name of the model."""
    model = given.get("model")
    if not isinstance(model, str):
        raise bad_request("model must be the name of a model: GET /v1/models lists them", "model")
    return model


def parse_checkpoint(given: Mapping[str, Any]) -> str:
    """Return the name of the checkpoint."""
    checkpoint = given.get("checkpoint", "best")
    if not isinstance(checkpoint, str) or not re.fullmatch(r"best|last|step-\d{1,15}", checkpoint):
        raise bad_request("checkpoint must be best, last or step-N", "checkpoint")
    return checkpoint


def _select(given: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in names and name != "model"}


def _parse_prompts(prompt: Any) -> tuple[str, ...]:
    prompts = prompt if isinstance(prompt, list) else [prompt]
    if not prompts or not all(isinstance(text, str) for text in prompts):
        raise bad_request("prompt must be a text or a list of texts, not tokens", "prompt")
    longest = max(map(len, prompts))
    if longest > MAX_PROMPT:
        message = f"a prompt may have at most {MAX_PROMPT:,} characters, not {longest:,}"
        raise bad_request(message, "prompt")
    return tuple(prompts)


def _parse_stops(stop: Any) -> tuple[str, ...]:
    stops = stop if isinstance(stop, list) else [stop]
    is_valid = len(stops) <= _MAX_STOPS and all(isinstance(text, str) and text for text in stops)
    if not is_valid or any(len(text) > MAX_PROMPT for text in stops):
        raise bad_request(f"stop must be a text, or a list of at most {_MAX_STOPS} texts", "stop")
    return tuple(stops)


def _parse_include_usage(given: Mapping[str, Any]) -> bool:
    options = given.get("stream_options", {})
    if not isinstance(options, dict) or not isinstance(options.get("include_usage", False), bool):
        message = 'stream_options must be an object such as {"include_usage": true}'
        raise bad_request(message, "stream_options")
    check_names(options, {"include_usage", "include_obfuscation"})
    return bool(options.get("include_usage", False))


def _parse_settings(given: Mapping[str, Any]) -> SampleConfig:
    settings = {name: given[name] for name in _SETTINGS if name in given}
    if settings.get("top_p") == 1 and not isinstance(settings["top_p"], bool):
        del settings["top_p"]  # the default of OpenAI's API: no filter
    if isinstance(seed := settings.get("seed"), int) and not isinstance(seed, bool):
        settings["seed"] = seed % (MAX_SEED + 1)  # OpenAI's API has negative seeds
    for name in ("ban", "only", "acrostic"):
        if isinstance(text := settings.get(name), str) and len(text) > _MAX_RULE:
            raise bad_request(f"{name} may have at most {_MAX_RULE:,} characters", name)
    if isinstance(settings.get("temperature"), (list, tuple)):
        raise bad_request("temperature must be a number", "temperature")
    try:
        return SampleConfig(**settings)
    except ConfigError as error:
        raise from_charrnn_error(error) from None
