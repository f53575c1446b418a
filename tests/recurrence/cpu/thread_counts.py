"""Check that threads of others keep torch's number of threads beside those of the engine."""

import threading

import torch

from charrnn.recurrence.cpu.threads import run_in_threads

torch.set_num_threads(2)
run_in_threads(lambda streams: None, 64)
seen: list[int] = []
other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
other.start()
other.join()
assert seen == [2], seen
