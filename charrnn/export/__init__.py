"""Models to share: a page that generates text, an ONNX graph, one safetensors file with a card.

May import: charrnn.reports and everything below it.
"""
