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
    groups_of,
    limit_of,
    parse_stages,
    plan_tasks,
)
from gpu_check.runner import Runner, Task
from gpu_check.table import all_is_well, read_logs, table, verdict

KERNEL_OFF = {"CHARRNN_CUDA_KERNEL": "off"}
_ROOT = Path(__file__).parents[2]
_TABLE = "table.txt"


def find_text(folder: Path, name: str | None) -> Path:
    """Return the text called `name`, or the only one in a folder; end with a message if none."""
    texts = [folder / name] if name else sorted(folder.glob("*.txt"))
    if len(texts) != 1 or not texts[0].is_file():
        sys.exit(f"{folder} must hold one .txt file, or give --text NAME: it has {len(texts)}")
    return texts[0].resolve()


def environment_of(site: Path, rehearse: bool) -> dict[str, str]:
    """Return the environment of all tasks: with the packages in `site` and the checkout."""
    before = os.environ.get("PYTHONPATH", "")
    paths = [str(site), str(_ROOT / "benchmarks"), str(_ROOT), *filter(None, [before])]
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
    """Run tasks group by group; write the table after each group, so that a stop loses nothing.

    If the check of the kernel fails, all later tasks run without it, and the tasks of the sanitizer
    are added. They call the kernel directly.
    """
    groups = groups_of(tasks)
    while groups:
        group = groups.pop(0)
        runner.run(group)
        (output / _TABLE).write_text(table(read_logs(output)), "utf-8")
        if not _is_kernel_correct(group, output):
            print("stage 1 failed: cuDNN computes from here on", flush=True)
            runner.environment.update(KERNEL_OFF)
            if all(task.stage != SANITIZER_STAGE for task in tasks):
                runner.plan(sanitizer)
                groups += groups_of(sanitizer)


def _is_kernel_correct(group: list[Task], output: Path) -> bool:
    record, names = read_logs(output), {task.name for task in group if task.stage == 1}
    verdicts = [verdict(bar, record) for bar in BARS if bar.task in names]
    return all(word in ("met", "rehearsed") for word in verdicts)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Parse the arguments, run the stages, print the table."""
    parser = argparse.ArgumentParser(prog="gpu_check.sh", description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on a processor")
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
        every = plan_tasks(text, wheels, site, options.rehearse)
        for name in {task.log for task in every} | {_TABLE}:
            (output / name).unlink(missing_ok=True)
        tasks = [task for task in every if task.stage in stages]
        sanitizer = [task for task in every if task.stage == SANITIZER_STAGE]
        environment = environment_of(site, options.rehearse)
        runner = Runner(output, Path(scratch), environment, options.rehearse)
        runner.plan(tasks)
        print(f"{len(tasks)} tasks, at most {limit_of(groups_of(tasks)):g} s", flush=True)
        try:
            run_all(tasks, sanitizer, runner, output)
        finally:
            record = read_logs(output)
            (output / _TABLE).write_text(table(record), "utf-8")
            print("\n" + table(record), flush=True)
    sys.exit(not all_is_well(record))


if __name__ == "__main__":
    main()
