"""Training: defaults, the loop, one step, its optimizer, events, processes, dry run, benchmark.

May import: charrnn.analysis and everything below it.
"""
