"""The stages of `benchmarks/gpu_check.sh`: a check of charrnn on an NVIDIA GPU, with verdicts."""
