"""Stages 8 to 12: run other programs, and print results from their output.

python -m gpu_check.tools tests|memcheck|racecheck|ncu|bench [ARGUMENT...]
"""

import argparse
import glob
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gpu_check.results import print_result

_ROOT = Path(__file__).parents[2]
_TOOLKITS = ("/usr/local/cuda*/bin", "/opt/nvidia/nsight-compute/*")
_KERNELS = ("forward", "backward")
_NOT_FOUND = 3
_UNITS = {"ns": 1e-3, "nsecond": 1e-3, "us": 1, "usecond": 1, "ms": 1e3, "msecond": 1e3}


def run_and_capture(command: Sequence[str]) -> tuple[int, str]:
    """Run a command and print its output; return its exit code and the output."""
    print(" ".join(command), flush=True)
    lines = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


def find_tool(name: str) -> str | None:
    """Return the path of a program of the CUDA toolkit; None if it is not installed."""
    folders = [folder for pattern in _TOOLKITS for folder in sorted(glob.glob(pattern))]
    return shutil.which(name) or next(
        (path for folder in folders if (path := shutil.which(name, path=folder))), None
    )


def run_tests(rehearse: bool) -> int:
    """Run the tests that need a GPU; in a rehearsal those of one package, which are skipped."""
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-W", "default", "-q"]
    command += ["-m", "gpu", "-p", "no:cacheprovider", "--rootdir", str(_ROOT)]
    if importlib.util.find_spec("xdist"):
        command += ["-n", "1" if rehearse else "4"]
    command += [str(_ROOT / "tests" / ("recurrence" if rehearse else ""))]
    code, output = run_and_capture(command)
    counts = count_tests(output)
    for outcome in ("passed", "failed", "skipped"):
        print_result(f"gpu-tests-{outcome}", counts[outcome], "tests")
    return code


def count_tests(output: str) -> dict[str, int]:
    """Return the counts of pytest's last line; errors count as failed."""
    last = output.strip().rpartition("\n")[2]
    if not re.search(r"\bin \d", last):
        raise ValueError(f"pytest printed no summary: {last!r}")
    counts = {word: int(count) for count, word in re.findall(r"(\d+) ([a-z]+)", last)}
    counts = {"passed": 0, "skipped": 0, "failed": 0, **counts}
    counts["failed"] += counts.get("error", 0) + counts.get("errors", 0)
    return counts


def run_sanitizer(tool: str, rehearse: bool) -> int:
    """Run both kernels of a tiny network under compute-sanitizer."""
    program = _tiny_kernels(rehearse)
    path = find_tool("compute-sanitizer")
    if rehearse:
        code, _ = run_and_capture(program)
        print("rehearsed without compute-sanitizer")
        print_result(f"{tool}-errors", 0, "errors")
        return code
    if path is None:
        print("compute-sanitizer was not found")
        return _NOT_FOUND
    code, output = run_and_capture([path, "--tool", tool, *program])
    print_result(f"{tool}-errors", count_errors(tool, output), "errors")
    return code


def count_errors(tool: str, output: str) -> int:
    """Return the errors that compute-sanitizer reports.

    Only races in one of charrnn's kernels count.
    """
    if tool == "memcheck":
        pattern, summary = r"ERROR SUMMARY: (\d+) error", "ERROR SUMMARY:"
    else:
        names = "|".join(_KERNELS)
        pattern, summary = rf"Error: .*\b(?:{names})\b", "RACECHECK SUMMARY:"
    if summary not in output:
        raise ValueError(f"compute-sanitizer printed no line {summary!r}")
    counts = re.findall(pattern, output)
    return sum(map(int, counts)) if tool == "memcheck" else len(counts)


def run_ncu(rehearse: bool) -> int:
    """Measure both kernels at their usual size with Nsight Compute."""
    if rehearse:
        code, _ = run_and_capture(_tiny_kernels(rehearse))
        print("rehearsed without ncu")
        print_result("ncu-forward", 0, "us")
        return code
    path = find_tool("ncu")
    if path is None:
        print("ncu was not found")
        return _NOT_FOUND
    program = [sys.executable, "-m", "gpu_check.kernel", "run", "bfloat16", "--times", "2"]
    names = f"regex:^({'|'.join(_KERNELS)})$"
    command = [path, "--set", "basic", "--kernel-name", names, "--launch-count", "4", *program]
    code, output = run_and_capture(command)
    for kernel, microseconds in kernel_times(output).items():
        print_result(f"ncu-{kernel}", microseconds, "us")
    return code


def kernel_times(output: str) -> dict[str, float]:
    """Return the shortest duration of each kernel in Nsight Compute's text, in microseconds."""
    times: dict[str, float] = {}
    kernel = ""
    for line in output.splitlines():
        if title := re.match(rf"\s+({'|'.join(_KERNELS)})\b.*Context", line):
            kernel = title[1]
        if kernel and (row := re.match(r"\s+Duration\s+(\w+)\s+([\d.,]+)", line)):
            value = float(row[2].replace(",", "")) * _UNITS[row[1]]
            times[kernel] = min(value, times.get(kernel, value))
    return times


def _tiny_kernels(rehearse: bool) -> list[str]:
    program = [sys.executable, "-m", "gpu_check.kernel", "run", "bfloat16", "--times", "2"]
    return [*program, "--tiny", *(["--rehearse"] if rehearse else [])]


def run_bench(arguments: Sequence[str], rehearse: bool) -> int:
    """Run `charrnn bench`."""
    command = [sys.executable, "-m", "charrnn", "bench", "--json", *arguments]
    command += ["--max-time", "0.1" if rehearse else "15"]
    if rehearse:
        command += ["--device", "cpu", "--hidden-size", "16", "--batch-size", "4"]
    process = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    print(process.stdout)
    if process.returncode == 0:
        result = json.loads(process.stdout)
        for contender in result["measured"]:
            name = contender["name"].replace(" ", "-")
            print_result(f"bench-{result['device']}-{name}", contender["median"], "char/s")
    return process.returncode


def main() -> None:
    """Run one of the programs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("tests", "memcheck", "racecheck", "ncu", "bench"))
    parser.add_argument("--rehearse", action="store_true")
    options, arguments = parser.parse_known_args()
    if options.what == "tests":
        code = run_tests(options.rehearse)
    elif options.what == "ncu":
        code = run_ncu(options.rehearse)
    elif options.what == "bench":
        code = run_bench(arguments, options.rehearse)
    else:
        code = run_sanitizer(options.what, options.rehearse)
    sys.exit(code)


if __name__ == "__main__":
    main()
