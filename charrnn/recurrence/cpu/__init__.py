"""The LSTM engine for processors: one layer with its hand-derived backward.

May import: charrnn.recurrence.layer, charrnn.numerics and everything below it.
"""
