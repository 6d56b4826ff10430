"""Recognizers exported to ONNX: read a file, and predict clips with it. Imports no torch."""
