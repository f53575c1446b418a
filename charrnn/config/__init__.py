"""The settings, each with its default, its range and its one explanation; parsing of values.

May import: charrnn.errors.
"""
