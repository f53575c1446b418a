"""Devices, precision, threads, CUDA graphs, compiled functions, 8-bit weights, random numbers.

May import: charrnn.errors; torch in cuda_graph, devices, precision and threads alone.
"""
