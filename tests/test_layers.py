"""What the package promises about itself: layers, public names, quick starts, no pickle."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import charrnn
from charrnn.errors import CharrnnError

PACKAGE = Path(charrnn.__file__).parent


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text("utf-8"))
    return found


def test_modules_are_imported_in_the_one_way_that_is_looked_at() -> None:
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, module
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
                assert not any(name.startswith("charrnn.") for name in names), module


def test_nothing_that_runs_code_from_a_file_is_called() -> None:
    for module, tree in modules().items():
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not called & {"eval", "exec", "torch.load", "compile"}, module


def test_the_public_names_are_there_and_lead_to_what_they_say() -> None:
    for name in charrnn.__all__:
        assert getattr(charrnn, name).__name__ == name
        assert name in dir(charrnn)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        charrnn.nothing  # noqa: B018


def test_the_public_names_are_the_documented_ones() -> None:
    documented = (
        "train, load, generate, stream, score, Corpus, Vocabulary, CharRNN, ModelConfig, "
        "TrainConfig, SampleConfig, CharrnnError"
    )
    assert sorted(charrnn.__all__) == sorted(documented.split(", "))


@pytest.mark.parametrize(
    "statement",
    [
        "import charrnn, charrnn.cli",
        "import sys; sys.argv = ['charrnn', '--help']; import charrnn.cli\n"
        "try: charrnn.cli.main()\nexcept SystemExit: pass",
        "import sys; sys.argv = ['charrnn', 'train', '--help']; import charrnn.cli\n"
        "try: charrnn.cli.main()\nexcept SystemExit: pass",
        "import charrnn; charrnn.Vocabulary.of('ab'); charrnn.SampleConfig()",
    ],
)
def test_no_torch_is_loaded_before_it_is_needed(statement: str) -> None:
    check = f"{statement}\nimport sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", check], check=True, capture_output=True)


def test_every_error_is_part_of_the_tree() -> None:
    from charrnn import errors

    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    assert len(classes) > 5
    assert all(issubclass(each, CharrnnError | Warning) for each in classes)
    assert all(each.__name__ in (errors.__doc__ or "") for each in classes)
