"""From bytes to batches: sources, decoding, vocabulary, corpus, catalogue, n-gram model.

May import: charrnn.numerics, charrnn.config, charrnn.files, charrnn.errors; not torch.
"""
