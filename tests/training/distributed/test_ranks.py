import pytest

from charrnn.errors import ConfigError
from charrnn.training.distributed.ranks import Ranks


@pytest.mark.parametrize(("size", "streams"), [(1, 7), (2, 8), (4, 4)])
def test_every_stream_is_one_process_s(size: int, streams: int) -> None:
    shares = [Ranks(rank, size).share(streams) for rank in range(size)]
    assert [n for share in shares for n in range(streams)[share]] == list(range(streams))


def test_streams_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ConfigError, match="give --batch-size 6"):
        Ranks(0, 3).share(7)


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert Ranks.of_environment() == Ranks()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "x")
    assert Ranks.of_environment() == Ranks(rank=1, size=2)
