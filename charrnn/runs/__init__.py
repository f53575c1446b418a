"""The run folder on disk: find, config, checkpoints, manifest, verify, metrics, progress, curves.

May import: charrnn.data, charrnn.config, charrnn.files and what is below; no torch.
"""
