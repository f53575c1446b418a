"""Training: loop, session, step, optimizer, schedule, defaults, processes, dry run, benchmark.

May import: charrnn.analysis and everything below it.
"""
