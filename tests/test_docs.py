"""Commands, flags, links, paths and examples in the documentation are valid."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import charrnn
from charrnn.cli.app import COMMANDS, app
from tests.conftest import VERSE, Cli

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    ROOT / "checkpoints/README.md",
    ROOT / "checkpoints/bard/README.md",
    ROOT / "corpora/README.md",
]
README = (ROOT / "README.md").read_text("utf-8")
MAX_README_WORDS = 1000
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PATH = re.compile(r"(?:charrnn|tests|benchmarks|docs|corpora)/[\w./-]*\w")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
BENCHMARKS = [*ROOT.glob("benchmarks/**/*.py"), ROOT / "benchmarks/gpu_check.sh"]
FLAGS_OF_OTHERS = {
    "--logdir",
    *("--nnodes", "--nproc-per-node", "--max-restarts"),  # torchrun
    *("--version", "--help"),
}


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def find_blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(page.read_text("utf-8")) if kind == language]


def find_inline_code(page: Path) -> list[str]:
    prose = FENCE.sub("", page.read_text("utf-8"))
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]


def find_commands(line: str) -> Iterator[str]:
    """Yield the arguments of each `charrnn` command in a shell line."""
    for part in re.split(r"&&| \| |;| > ", line.replace("$cell", "gru")):
        if match := re.match(r"\s*(?:\$ |torchrun .*-m )?charrnn (.+)", part):
            yield match[1]


def find_shown_commands() -> list[tuple[str, str]]:
    """Return every `charrnn` command in the documentation, with its page."""
    commands = {}
    for page in PAGES:
        lines = [line for block in find_blocks(page, "sh") for line in block.split("\n")]
        for line in [*lines, *find_inline_code(page)]:
            for command in find_commands(line):
                commands[command] = page_name(page)
    commands.pop("COMMAND --help", None)
    return list(commands.items())


def find_anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    prose = FENCE.sub("", page.read_text("utf-8"))
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(("command", "page"), find_shown_commands())
def test_every_command_shown_is_valid(command: str, page: str, cli: Cli) -> None:
    name, *arguments = shlex.split(command, comments=True)
    if name.startswith("-"):
        assert cli(name).code == 0
        return
    assert name in COMMANDS, f"{page} shows the unknown command {name}"
    (settings,) = find_blocks(ROOT / "docs/guide.md", "toml")
    Path("small.toml").write_text(settings, "utf-8")
    Path("novel.json").write_text("{}", "utf-8")
    parser = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    parser.make_context(name, arguments)  # raises if an option or a value is not valid


def test_every_flag_named_exists(cli: Cli) -> None:
    helps = [cli(name, "--help").out for name in COMMANDS]
    programs = [path.read_text("utf-8") for path in BENCHMARKS]
    known = {*FLAG.findall(" ".join([*helps, *programs])), *FLAGS_OF_OTHERS}
    for page in PAGES:
        named = set(FLAG.findall(" ".join(find_inline_code(page))))
        assert sorted(named - known) == [], page_name(page)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_relative_link_and_anchor_resolves(page: Path) -> None:
    prose = FENCE.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page_name(page)} links to {target}"
        if anchor:
            assert anchor in find_anchors(linked), f"{page_name(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_path_named_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    named = {match for code in re.findall(r"`([^`]+)`", text) for match in PATH.findall(code)}
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_curves_are_those_that_the_results_page_names() -> None:
    results = ROOT / "docs/results"
    text = (results / "README.md").read_text("utf-8")
    assert {path.name for path in results.glob("*.jsonl")} == set(re.findall(r"\]\((.+?)\)", text))


def test_readme_lists_every_command_in_the_order_of_the_help() -> None:
    table = re.findall(r"^\| `charrnn (\w+)", README, re.MULTILINE)
    assert table == list(COMMANDS)


def test_readme_has_the_speed_that_the_gpu_page_gives() -> None:
    readme = " ".join(README.split())
    gpu_page = (ROOT / "docs/gpu.md").read_text("utf-8")
    in_readme = re.search(r"([\d.]+) million [^,]* on an NVIDIA H100, ([\d.]+) times", readme)
    measured = re.search(r"32 streams x 64 .*\| ([\d,]+) .*: ([\d.]+) and .* stock", gpu_page)
    assert in_readme
    assert measured
    millions = int(measured[1].replace(",", "")) / 1e6
    assert (in_readme[1], in_readme[2]) == (f"{millions:.2f}", measured[2])


def test_readme_is_short() -> None:
    assert len(README.split()) <= MAX_README_WORDS


def test_readme_has_the_two_commands_for_setting_up() -> None:
    assert "pip install -e . && charrnn train\n" in README
    assert 'pip install -e ".[test]" && pytest\n' in README


def test_readme_shows_the_text_that_its_command_prints(cli: Cli) -> None:
    (shown,) = find_blocks(ROOT / "README.md", "text")
    match = re.search(r"`charrnn (sample bard [^`]+)` prints", README)
    assert match
    printed = cli(*match[1].split()).out
    assert shown.rstrip("\n") == printed.rstrip("\n")


def test_api_page_describes_every_public_name() -> None:
    text = (ROOT / "docs/api.md").read_text("utf-8")
    assert [name for name in charrnn.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_api_examples_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "novel.txt").write_text(VERSE * 6, encoding="utf-8")
    program = "\n".join(find_blocks(ROOT / "docs/api.md", "python"))
    exec(compile(program, "docs/api.md", "exec"), {"__name__": "api"})
    printed = capsys.readouterr().out
    assert "step 20: held-out loss" in printed
    assert "no-such-run" in printed
