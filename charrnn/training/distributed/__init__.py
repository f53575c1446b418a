"""Training in several processes: ranks, the group of processes, synchronization of gradients.

May import: charrnn.training.clock, charrnn.errors.
"""
