"""One training step: inputs, optimizer, the step itself (eager or as a CUDA graph), its runner.

May import: charrnn.training.{distributed,schedule,clock}, charrnn.model and what is below.
"""
