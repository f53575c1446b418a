"""The rank of this process among the processes of a run, as torchrun sets it."""

import os
from dataclasses import dataclass

from charrnn.config.counts import format_count
from charrnn.errors import ConfigError


@dataclass(frozen=True)
class Ranks:
    """The rank of this process, and the number of processes.

    As in torchrun, `rank` counts all processes and `local_rank` those of this machine. `restarts`
    is the number of times that torchrun has restarted the processes.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    restarts: int = 0

    @classmethod
    def from_environment(cls) -> "Ranks":
        """Return the ranks in the environment variables of torchrun; without them, one process."""
        if _number("WORLD_SIZE", 1) < 1 or "RANK" not in os.environ:
            return cls()
        return cls(
            rank=_number("RANK", 0),
            size=_number("WORLD_SIZE", 1),
            local_rank=_number("LOCAL_RANK", 0),
            restarts=_number("TORCHELASTIC_RESTART_COUNT", 0),
        )

    @property
    def is_rank_zero(self) -> bool:
        """Whether this process writes the files and the output of the run."""
        return self.rank == 0

    def local_streams(self, streams: int) -> slice:
        """Return which of all `streams` this process trains on.

        Raises `ConfigError` if they cannot be divided equally among the processes.
        """
        if streams % self.size:
            fitting = max(1, round(streams / self.size)) * self.size
            raise ConfigError(
                f"the {format_count(streams, 'stream')} of the run cannot be divided equally among "
                f"{self.size} processes",
                f"start another number of processes, one that divides {streams}",
                f"give --batch-size {fitting}",
            )
        count = streams // self.size
        return slice(self.rank * count, (self.rank + 1) * count)


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else default
