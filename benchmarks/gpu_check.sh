#!/usr/bin/env bash
# Check charrnn on an NVIDIA GPU. Every task is a process with a time limit. Prints a table of verdicts.
#
#   benchmarks/gpu_check.sh [--rehearse] [--text NAME] FOLDER OUTPUT [STAGE...]
#
# FOLDER holds a text (its only .txt file, or NAME) and, if packages are missing, wheels (*.whl).
# OUTPUT receives at most eight files. STAGE is a number or a range such as 7-11; default: 0-6.
# docs/gpu.md lists the stages. Nothing uses the network. PYTHON names another interpreter.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" -m gpu_check "$@"
