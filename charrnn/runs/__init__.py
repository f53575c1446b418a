"""The run folder on disk: layout, config, saving, checkpoints, manifest, metrics, curves, find.

May import: charrnn.data, charrnn.config, charrnn.files and what is below; no torch.
"""
