"""Answers with a JSON body."""

import json
from typing import Any

from starlette.responses import Response

from charrnn.serve.api_errors import ApiError


def to_json_bytes(content: Any) -> bytes:
    """Return compact JSON in ASCII, so that each text can be sent, also lone surrogates."""
    return json.dumps(content, separators=(",", ":")).encode("ascii")


class JSONResponse(Response):
    """An answer with a JSON body."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return to_json_bytes(content)


def answer_error(error: ApiError) -> JSONResponse:
    """Return the answer to a request that failed."""
    return JSONResponse(error.to_json(), error.status, headers=error.headers)
