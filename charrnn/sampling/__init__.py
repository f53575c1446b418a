"""Generating text: the loop, filters, constraints, copied text, conversation, engines.

May import: charrnn.model and everything below it; torch only in engines of the network.
"""
