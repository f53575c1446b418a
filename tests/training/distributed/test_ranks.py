import pytest

from charrnn.errors import ConfigError
from charrnn.training.distributed.ranks import Ranks


@pytest.mark.parametrize(("size", "streams"), [(1, 7), (2, 8), (4, 4)])
def test_each_stream_belongs_to_exactly_one_process(size: int, streams: int) -> None:
    local_streams = [Ranks(rank, size).local_streams(streams) for rank in range(size)]
    assert [stream for own in local_streams for stream in range(streams)[own]] == list(
        range(streams)
    )


def test_streams_that_cannot_be_divided_equally_are_an_error() -> None:
    with pytest.raises(ConfigError, match="give --batch-size 6"):
        Ranks(0, 3).local_streams(7)


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert Ranks.from_environment() == Ranks()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "x")
    assert Ranks.from_environment() == Ranks(rank=1, size=2)
