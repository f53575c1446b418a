"""Training: loop, trainer, plan, evaluation, rollback, dry run, benchmark; `setup`, `step`.

May import: charrnn.analysis and everything below it.
"""
