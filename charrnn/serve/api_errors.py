"""Errors of the API: one sentence, an HTTP status, and OpenAI's error object.

A message never contains a path or the name of a user. So messages of errors about files are
replaced.
"""

from typing import Any

from charrnn.errors import CharrnnError, ConfigError, VocabularyError, flags_in

SERVER_FAILED = "the server failed; its terminal shows the error"


class ServerError(CharrnnError):
    """A text cannot be generated for a reason that has nothing to do with the request."""

    status = 500


class StoppingError(ServerError):
    """The server is being stopped."""

    status = 503


class ApiError(Exception):
    """An error that the client receives."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = headers or {}

    def to_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        if self.status == 429:
            kind = "rate_limit_error"
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param,
                "code": self.code,
            }
        }


def bad_request(message: str, param: str | None = None) -> ApiError:
    """Return the error for a body that is wrong."""
    return ApiError(400, message, param=param)


def from_charrnn_error(error: CharrnnError, model: str = "", param: str = "prompt") -> ApiError:
    """Return the error of the API for an error of charrnn."""
    if isinstance(error, ConfigError):
        remedies = [remedy for remedy in error.remedies if not flags_in(remedy)]
        message = f"{error.message}: {' or '.join(remedies)}" if remedies else error.message
        return ApiError(400, message, param=error.setting or None)
    if isinstance(error, VocabularyError):
        remedy = 'give "unknown": "skip" to leave them out'
        message = f"{error.message}: {remedy}"
        return ApiError(400, message, param=param, code="unknown_characters")
    if isinstance(error, ServerError):
        return ApiError(error.status, error.message)
    message = f"the model {model} cannot be used: run `charrnn verify RUN` on its machine"
    return ApiError(500, message)
