"""Training: loop, `setup`, trainer, evaluation, rollback, plan, `step`, `distributed`, dry run.

May import: charrnn.analysis and everything below it.
"""
