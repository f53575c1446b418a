"""Encode t.txt as if it were a large text, and print its first 30 characters."""

from charrnn.data import encoded_cache
from charrnn.data.corpus import Corpus

encoded_cache.MIN_CACHED_BYTES = 0
corpus = Corpus.open("t.txt")
print(corpus.vocabulary.decode(corpus.codes[:30].tolist()))
