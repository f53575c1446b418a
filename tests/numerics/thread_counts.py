"""Check that torch uses the same number of threads in other threads than those of `map_streams`."""

import threading

import torch

from charrnn.numerics.threads import map_streams

torch.set_num_threads(2)
map_streams(lambda streams: None, 64)
counts: list[int] = []
other = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
other.start()
other.join()
assert counts == [2], counts
