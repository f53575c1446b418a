"""Terminal views: output, tables, progress, charts, heat maps, generated text, conversation.

May import: charrnn.training and everything below it.
"""
