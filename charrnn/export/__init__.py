"""Exported models: a page that generates text, an ONNX graph, a safetensors file with a card.

May import: charrnn.reports and everything below it.
"""
