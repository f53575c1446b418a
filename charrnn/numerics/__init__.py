"""Devices, precision, threads, compiled functions, activations, quantisation, random numbers.

May import: charrnn.errors.
"""
