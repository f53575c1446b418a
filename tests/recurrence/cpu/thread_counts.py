"""Check that torch uses the same number of threads in other threads than those of the engine."""

import threading

import torch

from charrnn.recurrence.cpu.threads import run_in_threads

torch.set_num_threads(2)
run_in_threads(lambda streams: None, 64)
counts: list[int] = []
other = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
other.start()
other.join()
assert counts == [2], counts
