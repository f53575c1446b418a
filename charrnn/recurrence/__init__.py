"""Recurrent layers and their engines: reference, native, `cpu`, `cuda`.

May import: charrnn.numerics, charrnn.config, charrnn.errors.
"""
