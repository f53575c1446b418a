"""Devices, precision, threads, CUDA graphs and kernels, compiled code, 8-bit weights, random bits.

May import: charrnn.errors; torch in what drives a device alone: see pyproject.toml.
"""
