"""The GPU check: its table from recorded lines, and its runner with trivial commands."""

import sys
import time
from pathlib import Path

import pytest
from gpu_check import __main__ as check
from gpu_check.bars import BARS, RESUMES
from gpu_check.plan import group_tasks, parse_stages, plan_tasks, total_limit
from gpu_check.results import Outcome, PlannedTask, Record, record_line
from gpu_check.runner import Runner, Task
from gpu_check.table import format_table, is_successful, read_logs, verdict
from gpu_check.tools import count_errors, count_tests, kernel_times

BAR = {bar.name: bar for bar in BARS}


def make_record(*lines: str, rehearsed: bool = False, exit_code: int | None = 0) -> Record:
    """Return a record with these lines, in which all tasks have ended with `exit_code`."""
    record = Record()
    record.read(lines)
    for name in {bar.task for bar in BARS}:
        record.read([record_line(PlannedTask(name, 4, 35, rehearsed))])
        record.read([record_line(Outcome(name, exit_code, 12.5))])
    return record


def make_passing_lines() -> list[str]:
    return [f"RESULT {bar.name} {bar.limit} unit" for bar in BARS]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("599999", "not met"), ("600000", "met"), ("1.2e6", "aim met"), ("nan", "not met")],
)
def test_a_result_meets_a_bar_from_its_limit_on(value: str, expected: str) -> None:
    record = make_record(f"RESULT training-32x64 {value} char/s")
    assert verdict(BAR["training-32x64"], record) == expected


def test_a_duration_or_loss_meets_a_bar_up_to_its_limit() -> None:
    bar = BAR["train-to-sample"]
    for value, expected in (("45", "aim met"), ("120", "met"), ("120.1", "not met")):
        assert verdict(bar, make_record(f"RESULT {bar.name} {value} s")) == expected


def test_a_task_without_a_result_shows_how_it_ended() -> None:
    bar = BAR["training-32x64"]
    assert verdict(bar, make_record(exit_code=1)) == "no result (exit code 1)"
    assert verdict(bar, make_record(exit_code=None)) == "no result (time limit of 35 s)"
    assert verdict(bar, make_record()) == "no result (exit code 0)"
    assert verdict(bar, Record()) == "no result (not run)"


def test_a_result_of_a_failed_task_has_a_note() -> None:
    record = make_record(f"RESULT resume-identical {RESUMES} of 10 steps", exit_code=None)
    assert verdict(BAR["resume-identical"], record) == "met (time limit of 35 s)"
    assert not is_successful(record)


def test_a_rehearsal_meets_no_bar() -> None:
    record = make_record(*make_passing_lines(), rehearsed=True)
    assert {verdict(bar, record) for bar in BARS} == {"rehearsed"}
    assert "REHEARSAL" in format_table(record)
    assert is_successful(record)
    assert is_successful(make_record(*make_passing_lines()))
    assert not is_successful(make_record(*make_passing_lines()[1:], rehearsed=True))


def test_the_table_shows_the_gpu_and_every_result() -> None:
    record = make_record(
        "FACT card NVIDIA H100 80GB HBM3",
        "noise RESULT training-32x64 1 char/s",
        "RESULT training-32x64 10 char/s",
        "RESULT training-32x64 1500000 char/s",
        "RESULT steps-32x64-kernel-graph 1.25 ms a step",
        "RESULT cut-off",
        'PLAN {"name": "cut o',
    )
    rows = format_table(record).splitlines()
    assert "NVIDIA H100 80GB HBM3" in rows
    assert "steps-32x64-kernel-graph 1.25 ms a step" in rows
    (row,) = (row for row in rows if row.startswith("training 32x64  "))
    assert " ".join(row.split()) == ("training 32x64 1,500,000 char/s >= 600,000 1,200,000 aim met")


def test_stages_are_numbers_and_ranges() -> None:
    assert parse_stages(["0-2", "7", "9-10"]) == {0, 1, 2, 7, 9, 10}
    for wrong in ("13", "3-2", "x", "-1"):
        with pytest.raises(ValueError, match=wrong):
            parse_stages([wrong])


def test_the_time_limits_add_up_to_eleven_minutes() -> None:
    tasks = plan_tasks(Path("a.txt"), [Path("a.whl")], Path("site"), rehearse=False)
    assert {task.stage for task in tasks} == set(range(13))
    first = [task for task in tasks if task.stage <= 6]
    second = [task for task in tasks if 7 <= task.stage <= 11]
    assert total_limit(group_tasks(first)) <= 420
    assert total_limit(group_tasks(second)) <= 240
    names = [task.name for task in tasks]
    assert len(set(names)) == len(names)
    assert {bar.task for bar in BARS} <= set(names)
    assert len({task.log for task in tasks}) + 1 <= 8  # the table is a file too


def python_command(program: str) -> tuple[str, ...]:
    return sys.executable, "-c", program


def make_task(name: str, stage: int, program: str, limit: float = 60) -> Task:
    return Task(name, stage, name, python_command(program), limit, "some.log")


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "output").mkdir()
    return Runner(tmp_path / "output", tmp_path / "scratch", {"PATH": ""})


def test_later_tasks_run_after_a_failure_and_a_time_limit(runner: Runner, tmp_path: Path) -> None:
    forking = "import os, time; os.fork(); time.sleep(600)"
    endless = "import time; print('RESULT training-32x64 7 char/s', flush=True); time.sleep(600)"
    tasks = [
        make_task("environment", 0, "raise ValueError('broken')"),
        make_task("steps", 4, endless, limit=2),
        make_task("training", 5, forking, limit=1),
        make_task("sampling", 6, "print('RESULT sampling-1-generate 20000 char/s')"),
    ]
    runner.plan(tasks)
    start = time.monotonic()
    check.run_all(tasks, [], runner, tmp_path / "output")
    assert time.monotonic() - start < 300
    record = read_logs(tmp_path / "output")
    codes = {name: outcome.exit_code for name, outcome in record.outcomes.items()}
    assert codes == {"environment": 1, "steps": None, "training": None, "sampling": 0}
    assert verdict(BAR["sampling-1-generate"], record) == "aim met"
    assert verdict(BAR["training-32x64"], record) == "not met (time limit of 2 s)"
    saved_table = (tmp_path / "output" / "table.txt").read_text("utf-8")
    assert saved_table == format_table(record)
    assert "broken" in (tmp_path / "output" / "some.log").read_text("utf-8")


PRINT_SWITCH = "import os; print('FACT switch', os.environ.get('CHARRNN_CUDA_KERNEL'))"


@pytest.mark.parametrize(("share", "switch"), [(0.5, "off"), (0.004, "None")])
def test_a_wrong_kernel_is_turned_off_and_run_by_the_sanitizer(
    runner: Runner, tmp_path: Path, share: float, switch: str
) -> None:
    line = f"RESULT kernel-bfloat16-largest-difference {share} of norm"
    tasks = [
        make_task("kernel-bfloat16", 1, f"print('{line}')"),
        make_task("steps", 4, PRINT_SWITCH),
    ]
    runner.plan(tasks)
    check.run_all(tasks, [make_task("memcheck", 9, "print()")], runner, tmp_path / "output")
    record = read_logs(tmp_path / "output")
    assert record.facts["switch"] == switch
    assert ("memcheck" in record.outcomes) == (switch == "off")


def test_tasks_of_a_group_run_at_the_same_time(runner: Runner, tmp_path: Path) -> None:
    wait_for_other = (
        "import pathlib, sys, time\n"
        "here = pathlib.Path(sys.argv[1]); here.touch()\n"
        "while not (here.parent / sys.argv[2]).exists(): time.sleep(0.01)\n"
    )
    tasks = [
        Task(a, 1, "both", (*python_command(wait_for_other), str(tmp_path / a), b), 60, "some.log")
        for a, b in (("one", "two"), ("two", "one"))
    ]
    assert [outcome.exit_code for outcome in runner.run([*tasks])] == [0, 0]


def test_processes_that_a_task_leaves_are_ended(runner: Runner, tmp_path: Path) -> None:
    leave_child = (
        "import os, pathlib, sys, time\nif os.fork() == 0: time.sleep(1); pathlib.Path({}).touch()"
    )
    late_file = tmp_path / "late"
    (outcome,) = runner.run([make_task("environment", 0, leave_child.format(repr(str(late_file))))])
    time.sleep(2)
    assert outcome.exit_code == 0
    assert not late_file.exists()


def test_the_text_is_the_only_one_in_the_folder_or_the_named_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert check.find_text(tmp_path, None) == tmp_path / "a.txt"
    (tmp_path / "b.txt").touch()
    assert check.find_text(tmp_path, "b.txt") == tmp_path / "b.txt"
    for name in (None, "c.txt"):
        with pytest.raises(SystemExit, match="--text"):
            check.find_text(tmp_path, name)


def test_the_outputs_of_tools_are_counted() -> None:
    counts = count_tests("..F\n1 failed, 12 passed, 9 warnings, 2 errors in 59.85s (0:00:59)\n")
    assert (counts["failed"], counts["passed"], counts["skipped"]) == (3, 12, 0)
    with pytest.raises(ValueError, match="no summary"):
        count_tests("Segmentation fault")
    assert count_errors("memcheck", "x\n========= ERROR SUMMARY: 3 errors\n") == 3
    races = (
        "========= Error: Race reported between Write access at forward+0x1b0\n"
        "========= Error: Race reported between Write access at gemm_kernel+0x1b0\n"
        "========= RACECHECK SUMMARY: 2 hazards displayed (2 errors, 0 warnings)\n"
    )
    assert count_errors("racecheck", races) == 1
    with pytest.raises(ValueError, match="no line"):
        count_errors("racecheck", "Target application terminated before first instrumented API")
    section = "    Duration                         us       {}\n"
    title = "  {} (96, 1, 1)x(128, 1, 1), Context 1, Stream 7, Device 0, CC 9.0\n"
    output = title.format("forward") + section.format("620.5")
    output += title.format("backward") + "    Duration        ms        1.25\n"
    assert kernel_times(output) == {"forward": 620.5, "backward": 1250.0}
