"""Generating text with a model: the loop, filters, constraints, copied text, conversation.

May import: charrnn.model and everything below it.
"""
