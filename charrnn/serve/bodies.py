"""Read the body of a request: one JSON object of at most a megabyte."""

import asyncio
import json
from typing import Any

from starlette.requests import Request

from charrnn.serve.api_errors import ApiError, bad_request

_MAX_BYTES = 1_000_000
_MAX_DISCARDED = 16_000_000  # bytes that are read so that a client receives the answer
_SECONDS = 30.0  # that a client may take to send a body
_CLOSE = {"Connection": "close"}  # else the server would read the rest of the body


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; raise `ApiError` for anything else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, "the body must be JSON: send the header Content-Type: application/json")
    body, num_bytes = bytearray(), 0
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                num_bytes += len(chunk)
                if num_bytes <= _MAX_BYTES:
                    body += chunk
                elif num_bytes > _MAX_DISCARDED:
                    break
    except TimeoutError:
        message = f"the body did not arrive within {_SECONDS:g} seconds"
        raise ApiError(408, message, headers=_CLOSE) from None
    if num_bytes > _MAX_BYTES:
        message = f"a body may have at most {_MAX_BYTES:,} bytes"
        raise ApiError(413, message, headers=_CLOSE)
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_reject_constant)
    except UnicodeDecodeError as error:
        raise bad_request(f"the body is not UTF-8, at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        place = f", at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise bad_request(f"the body is not valid JSON{place}") from None
    if not isinstance(value, dict):
        raise bad_request('the body must be a JSON object, such as {"model": "bard"}')
    return value


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
