"""The LSTM engine for NVIDIA GPUs: kernels that keep the weights on the chip.

May import: charrnn.recurrence.{layer,native}, charrnn.{numerics,config,files}.
"""
