"""What happens before the first step: defaults from the text, a new run, a resumed run.

May import: charrnn.training.trainer and everything below it.
"""
