"""Training in several processes: ranks, the group of processes, the average of gradients.

May import: charrnn.training.clock, charrnn.errors.
"""
