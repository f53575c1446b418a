"""Devices, precision, threads, memory, compiled functions, quantisation, random numbers.

May import: charrnn.errors.
"""
