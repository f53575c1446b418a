"""Generating text: the loop, filters, constraints, copied text, conversation, engines.

May import: charrnn.model and everything below it. Only engines that compute with torch import it.
"""
