"""The local web page and HTTP API: requests, texts that run in batches, views of runs.

May import: charrnn.export and everything below it.
"""
