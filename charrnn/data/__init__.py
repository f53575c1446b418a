"""From bytes to batches: sources, downloads, decoding, vocabulary, cache, corpus, n-gram model.

May import: charrnn.numerics, charrnn.config, charrnn.files and what is below; no torch.
"""
