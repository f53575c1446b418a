"""The processes that train one model together, as torchrun starts and names them."""

import os
from dataclasses import dataclass

from charrnn.errors import ConfigError


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is, and how often all of them were started anew.

    The names are torchrun's: `rank` of all, `local_rank` of those on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0

    @classmethod
    def of_environment(cls) -> "Ranks":
        """Return what torchrun has put into the environment: one process where it has not."""
        if _number("WORLD_SIZE", 1) < 1 or "RANK" not in os.environ:
            return cls()
        return cls(
            rank=_number("RANK", 0),
            size=_number("WORLD_SIZE", 1),
            local_rank=_number("LOCAL_RANK", 0),
            local_size=_number("LOCAL_WORLD_SIZE", 1),
            restarts=_number("TORCHELASTIC_RESTART_COUNT", 0),
        )

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and shows."""
        return self.rank == 0

    def share(self, streams: int) -> slice:
        """Return which of all streams are this process's; raise `ConfigError` if they do not go."""
        if streams % self.size:
            fitting = max(1, round(streams / self.size)) * self.size
            raise ConfigError(
                f"batch_size counts the streams of all processes and must be divisible by their "
                f"number: {streams} streams do not go among {self.size} processes; give "
                f"--batch-size {fitting}"
            )
        own = streams // self.size
        return slice(self.rank * own, (self.rank + 1) * own)


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else default
