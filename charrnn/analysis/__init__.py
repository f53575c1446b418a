"""Analysis of a model: scoring, dynamic evaluation, surprise, memory, units, features, clamping.

May import: charrnn.sampling and everything below it.
"""
