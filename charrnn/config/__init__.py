"""Every setting with its range and its one explanation, and the parsing of values.

May import: charrnn.errors.
"""
