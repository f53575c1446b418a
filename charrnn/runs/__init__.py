"""The run folder on disk: checkpoints, manifest, verification, metrics, config, curves.

May import: charrnn.data, charrnn.config, charrnn.files, charrnn.errors; not torch.
"""
