"""Preparation of a run: default settings for a text, a new run, a resumed run.

May import: charrnn.training.trainer and everything below it.
"""
