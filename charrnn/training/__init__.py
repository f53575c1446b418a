"""Training: loop, `setup`, trainer, `step`, `distributed`, evaluation, rollback, plan, dry run.

May import: charrnn.analysis and everything below it.
"""
