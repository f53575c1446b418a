"""Sampling engines: they compute how likely each next character is.

May import: charrnn.sampling.filters, charrnn.model and everything below it.
"""
