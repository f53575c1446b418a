"""The sampling engine for one text on a CPU: 8-bit weights, without torch.

May import: charrnn.sampling.engines.interface, charrnn.data, charrnn.numerics, charrnn.config.
"""
