"""Devices, precision, threads, CUDA graphs and kernels, compiled code, 8-bit weights, random bits.

May import: charrnn.errors. Only modules that control a device import torch: see pyproject.toml.
"""
