"""The network, its state, its dropout, and loading.

May import: charrnn.runs and everything below it.
"""
