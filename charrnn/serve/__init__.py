"""The local web page and HTTP API: requests, running batches of models, and views of runs.

Imports all packages but `cli`. Starlette, uvicorn and prometheus_client are imported only here.
"""
