"""Sampling engines: interface, selection, `eager`, `packed`, `cuda_graph`, `int8`.

May import: charrnn.sampling.filters, charrnn.model and everything below it.
"""
