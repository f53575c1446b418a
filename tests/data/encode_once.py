"""Encode t.txt as a large text, and print how it begins."""

from charrnn.data import encoded_cache
from charrnn.data.corpus import Corpus

encoded_cache.MIN_CACHED_BYTES = 0
corpus = Corpus.open("t.txt")
print(corpus.vocabulary.decode(corpus.codes[:30].tolist()))
