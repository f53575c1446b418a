"""Analysis of a trained model: scoring, adaptation, surprise, memory, units, clamping.

May import: charrnn.sampling and everything below it.
"""
