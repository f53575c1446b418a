"""Whether the server is being stopped."""

from collections.abc import Callable


class Stopping:
    """Asked by answers that would not end by themselves."""

    def __init__(self) -> None:
        self.is_set: Callable[[], bool] = lambda: False
        """Replaced by the function that asks the server."""
