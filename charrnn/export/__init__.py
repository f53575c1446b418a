"""A model to share: a page that writes, an ONNX graph, or one file of weights."""
