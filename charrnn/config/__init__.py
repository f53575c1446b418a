"""Settings of network, text, training, sampling: default, range, explanation; their parsing.

May import: charrnn.errors.
"""
