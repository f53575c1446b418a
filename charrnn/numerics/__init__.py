"""Devices, precision, threads, CUDA graphs, compiled code, 8-bit weights, random numbers, bits.

May import: charrnn.errors; torch in cuda_graph, devices, precision and threads alone.
"""
