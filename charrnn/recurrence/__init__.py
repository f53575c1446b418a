"""Recurrent layers: `dispatch` chooses the engine `reference`, `native`, `cpu` or `cuda`.

May import: charrnn.numerics, charrnn.config, charrnn.files, charrnn.errors.
"""
