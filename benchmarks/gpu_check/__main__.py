"""Check charrnn on an NVIDIA GPU; see `benchmarks/gpu_check.sh` and docs/gpu.md."""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from gpu_check.bars import BARS
from gpu_check.plan import (
    DEFAULT_STAGES,
    SANITIZER_STAGE,
    group_tasks,
    parse_stages,
    plan_tasks,
    total_limit,
)
from gpu_check.runner import Runner, Task
from gpu_check.table import format_table, is_successful, read_logs, verdict

KERNEL_OFF = {"CHARRNN_CUDA_KERNEL": "off"}
_ROOT = Path(__file__).parents[2]
_TABLE = "table.txt"


def find_text(folder: Path, name: str | None) -> Path:
    """Return the text called `name`, or the only text of a folder; exit with a message if none."""
    texts = [folder / name] if name else sorted(folder.glob("*.txt"))
    if len(texts) != 1 or not texts[0].is_file():
        sys.exit(f"{folder} must hold one .txt file, or give --text NAME: it has {len(texts)}")
    return texts[0].resolve()


def make_environment(site: Path, rehearse: bool) -> dict[str, str]:
    """Return the environment variables of all tasks: modules come from `site` and the checkout."""
    path_before = os.environ.get("PYTHONPATH", "")
    paths = [str(site), str(_ROOT / "benchmarks"), str(_ROOT), *filter(None, [path_before])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "120",
    }
    if rehearse:
        environment.update(CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="1")
    return environment


def run_all(tasks: list[Task], sanitizer: list[Task], runner: Runner, output: Path) -> None:
    """Run tasks group by group, and write the table after each group.

    If the check of the kernel fails, later tasks run without the kernel, and the tasks of the
    sanitizer, which call the kernel directly, are added.
    """
    groups = group_tasks(tasks)
    while groups:
        group = groups.pop(0)
        runner.run(group)
        (output / _TABLE).write_text(format_table(read_logs(output)), "utf-8")
        if not _is_kernel_correct(group, output):
            print("stage 1 failed: the next tasks use cuDNN", flush=True)
            runner.environment.update(KERNEL_OFF)
            if all(task.stage != SANITIZER_STAGE for task in tasks):
                runner.plan(sanitizer)
                groups += group_tasks(sanitizer)


def _is_kernel_correct(group: list[Task], output: Path) -> bool:
    record, names = read_logs(output), {task.name for task in group if task.stage == 1}
    verdicts = [verdict(bar, record) for bar in BARS if bar.task in names]
    return all(word in ("met", "rehearsed") for word in verdicts)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Parse the arguments, run the stages, print the table."""
    parser = argparse.ArgumentParser(prog="gpu_check.sh", description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on a CPU")
    parser.add_argument("--text", help="name of the text in FOLDER")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    parser.add_argument("stages", nargs="*", metavar="STAGE", default=list(DEFAULT_STAGES))
    options = parser.parse_args()
    try:
        stages = parse_stages(options.stages)
    except ValueError as error:
        parser.error(str(error))
    text = find_text(options.folder, options.text)
    wheels = sorted(path.resolve() for path in options.folder.glob("*.whl"))
    signal.signal(signal.SIGTERM, _stop)
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as scratch:
        site, output = Path(scratch) / "site", options.output.resolve()
        output.mkdir(parents=True, exist_ok=True)
        all_tasks = plan_tasks(text, wheels, site, options.rehearse)
        for name in {task.log for task in all_tasks} | {_TABLE}:
            (output / name).unlink(missing_ok=True)
        tasks = [task for task in all_tasks if task.stage in stages]
        sanitizer = [task for task in all_tasks if task.stage == SANITIZER_STAGE]
        environment = make_environment(site, options.rehearse)
        runner = Runner(output, Path(scratch), environment, options.rehearse)
        runner.plan(tasks)
        print(f"{len(tasks)} tasks, at most {total_limit(group_tasks(tasks)):g} s", flush=True)
        try:
            run_all(tasks, sanitizer, runner, output)
        finally:
            record = read_logs(output)
            (output / _TABLE).write_text(format_table(record), "utf-8")
            print("\n" + format_table(record), flush=True)
    sys.exit(not is_successful(record))


if __name__ == "__main__":
    main()
