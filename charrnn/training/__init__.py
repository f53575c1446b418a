"""The training loop, one step, its optimizer, events, several processes, dry run, benchmark.

May import: charrnn.analysis and everything below it.
"""
