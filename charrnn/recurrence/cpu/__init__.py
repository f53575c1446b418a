"""The LSTM engine for CPUs: one layer with a hand-derived backward pass.

May import: charrnn.recurrence.layer, charrnn.numerics and everything below it.
"""
