import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from charrnn.numerics import threads


def test_threads_are_set_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads.set_threads(3) == 3
    assert torch.get_num_threads() == 3
    monkeypatch.setattr(threads, "available_cores", lambda: 2)
    assert threads.set_threads(None) == 2
    assert torch.get_num_threads() == 2


def test_each_part_has_its_thread_and_its_share_of_the_threads_of_torch() -> None:
    torch.set_num_threads(3)
    all_started = threading.Barrier(3)

    def work(part: slice) -> tuple[slice, str, int]:
        all_started.wait()
        torch.ones(1_000_000).exp_()  # would make torch use all threads
        return part, threading.current_thread().name, torch.get_num_threads()

    parts, names, counts = zip(*threads.map_streams(work, 25), strict=True)
    assert parts == (slice(0, 8), slice(8, 16), slice(16, 25))
    assert len({*names, threading.current_thread().name}) == 4
    assert counts == (1, 1, 1)
    assert torch.get_num_threads() == 3


def test_few_streams_are_not_divided_and_run_in_the_calling_thread() -> None:
    torch.set_num_threads(2)
    results = threads.map_streams(lambda part: (part, threading.current_thread()), 15)
    assert results == [(slice(0, 15), threading.current_thread())]
    torch.set_num_threads(8)
    counts = threads.map_streams(lambda part: torch.get_num_threads(), 32)
    assert counts == [2, 2, 2, 2]


def test_work_has_the_modes_of_the_caller() -> None:
    torch.set_num_threads(2)

    def modes(_: slice) -> tuple[bool, bool, bool, torch.dtype]:
        product = torch.ones(2, 2) @ torch.ones(2, 2)
        inference, grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        return inference, grad, torch.is_autocast_enabled("cpu"), product.dtype

    assert threads.map_streams(modes, 16) == [(False, True, False, torch.float32)] * 2
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert threads.map_streams(modes, 16) == [(True, False, True, torch.bfloat16)] * 2
    with torch.no_grad():
        assert threads.map_streams(modes, 16) == [(False, False, False, torch.float32)] * 2


def test_error_in_a_thread_is_raised_after_all_threads_end() -> None:
    torch.set_num_threads(2)
    ended, first_failed = [], threading.Event()

    def work(part: slice) -> None:
        if part.start == 0:
            first_failed.set()
            raise ValueError(part)
        first_failed.wait()
        ended.append(part)

    with pytest.raises(ValueError, match="slice"):
        threads.map_streams(work, 64)
    assert ended == [slice(32, 64)]


def test_other_threads_keep_their_number_of_threads() -> None:
    subprocess.run([sys.executable, Path(__file__).with_name("thread_counts.py")], check=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_its_own_threads() -> None:
    def identify() -> int:
        return threads._thread(0, 2, 1).submit(os.getpid).result(timeout=10)

    assert identify() == os.getpid()
    child = os.fork()
    if not child:
        code = 1
        try:
            code = int(identify() != os.getpid())
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
