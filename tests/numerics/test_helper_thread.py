import gc
import threading

from charrnn.numerics.helper_thread import HelperThread

TIMEOUT = 10  # seconds


class Owner:
    pass


def test_the_function_is_called_at_each_wake_until_the_owner_is_deleted() -> None:
    owner, called = Owner(), threading.Semaphore(0)
    helper = HelperThread(owner, called.release, "test-helper")
    assert not called.acquire(blocking=False)
    for _ in range(3):
        helper.wake()
        assert called.acquire(timeout=TIMEOUT)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "test-helper")
    del owner
    gc.collect()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
