"""One training step: its inputs, eager and as a CUDA graph, the optimizer, and a runner of steps.

May import: charrnn.training.{distributed,schedule,clock}, charrnn.model and what is below.
"""
