"""Rules of the package: its structure, public names, fast start, no pickle.

The order of imports between packages is checked by import-linter: see pyproject.toml and
`test_style.py`.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import charrnn
from charrnn import errors
from charrnn.cli.app import COMMANDS
from charrnn.errors import CharrnnError

PACKAGE = Path(charrnn.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES_OF_INIT = 4  # a docstring of three lines, and its closing quotes
MAX_LINES_OF_FILE, MAX_LINES_OF_FUNCTION = 300, 50


def parse_modules() -> Iterator[tuple[str, ast.Module]]:
    for path in MODULES:
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text("utf-8"))


def test_modules_are_imported_by_their_full_names() -> None:
    """Import-linter and readers then see every import."""
    for name, tree in parse_modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, name
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("charrnn") for alias in node.names), name


def test_no_function_that_runs_code_from_a_file_is_called() -> None:
    for name, tree in parse_modules():
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not called & {"eval", "exec", "torch.load", "compile"}, name


@pytest.mark.parametrize("folder", ["charrnn", "tests", "benchmarks"])
def test_files_and_functions_are_short(folder: str) -> None:
    paths = list((Path(__file__).parents[1] / folder).rglob("*.py"))
    assert paths
    for path in paths:
        source = path.read_text("utf-8")
        assert len(source.splitlines()) <= MAX_LINES_OF_FILE, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                assert lines <= MAX_LINES_OF_FUNCTION, (path, node.name)


def test_every_package_describes_its_content_and_defines_nothing() -> None:
    for folder in {path.parent for path in MODULES} - {PACKAGE}:
        init = (folder / "__init__.py").read_text("utf-8")
        (docstring,) = ast.parse(init).body
        assert isinstance(docstring, ast.Expr)
        assert len(init.splitlines()) <= MAX_LINES_OF_INIT
        assert "May import: " in init


def test_the_top_level_has_few_packages_and_modules() -> None:
    modules = [path.stem for path in PACKAGE.glob("*.py")]
    packages = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert sorted(modules) == ["__init__", "__main__", "errors", "files", "version"]
    assert len(packages) <= 15


def test_every_command_has_a_file_of_its_name() -> None:
    for name, command in COMMANDS.items():
        assert command.__module__ == f"charrnn.cli.{name}"


def test_tests_mirror_the_package() -> None:
    """Each folder with tests has the name of the package that they test."""
    tests = Path(__file__).parent
    packages = {path.parent.relative_to(PACKAGE) for path in MODULES}
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert folders <= packages


def test_every_public_name_can_be_imported() -> None:
    for name in charrnn.__all__:
        assert name in dir(charrnn)
        if name != "__version__":
            assert getattr(charrnn, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'unknown'"):
        charrnn.unknown  # noqa: B018


def test_the_public_names_are_the_documented_ones() -> None:
    documented = (
        "train, resume, load, generate, stream, score, Corpus, Vocabulary, CharRNN, ModelConfig, "
        "TrainConfig, ResolvedTrainConfig, SampleConfig, TextConfig, ReadingConfig, Budget, "
        "AdaptConfig, "
        "CharrnnError, Reading, Started, Step, Evaluated, Saved, RolledBack, "
        "TeacherFinished, Finished, __version__, "
        "list_runs, RunSummary, export_model, find_neurons, plot_runs, show, "
        "use_reproducible_kernels"
    )
    assert sorted(charrnn.__all__) == sorted(documented.split(", "))


def test_no_public_name_is_the_name_of_a_package() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert not packages & set(charrnn.__all__)


@pytest.mark.parametrize(
    "arguments", [(), ("api",), ("--help",), ("--version",), ("train", "--help"), ("list",)]
)
def test_torch_is_not_loaded_before_it_is_needed(arguments: tuple[str, ...]) -> None:
    script = Path(__file__).with_name("assert_no_torch.py")
    command = [sys.executable, "-W", "error", str(script), *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_every_error_is_part_of_the_tree() -> None:
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert len(classes) > 5
    others = {kind for kind in classes if not issubclass(kind, CharrnnError | Warning)}
    assert others == {errors.OutputError}  # only the command line handles it
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in classes)


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("fsync(", "files.py"),
        ("NamedTemporaryFile(", "files.py"),
        ("mkdtemp(", "files.py"),
        ("log(2)", "numerics/information.py"),
        ("at least 2 are needed", "model/forward.py"),
    ],
)
def test_a_concept_has_one_implementation(text: str, module: str) -> None:
    modules = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if text in path.read_text(encoding="utf-8")
    ]
    assert modules == [module]
