"""From bytes to batches: sources, decoding, vocabulary, cache, corpus, catalogue, n-gram model.

May import: charrnn.numerics, charrnn.config, charrnn.files and what is below; no torch.
"""
