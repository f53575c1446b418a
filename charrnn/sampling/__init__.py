"""Generating text: the loop, filters, constraints, copied text, conversation, engines.

May import: charrnn.model and everything below it. Only the engines that need torch import it.
"""
