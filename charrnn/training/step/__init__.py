"""One training step: its inputs, eager and as a CUDA graph, the optimizer, steps in a row.

May import: charrnn.training.distributed, charrnn.training.clock, charrnn.model and what is below.
"""
