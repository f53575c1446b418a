"""Terminal views: output, tables, progress, charts, heat maps, generated text, interactive mode.

May import: charrnn.training and everything below it.
"""
