"""The network, its state, its dropout, its forward pass over a text, and loading.

May import: charrnn.runs and everything below it.
"""
