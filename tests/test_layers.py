"""What the package promises about itself: layers, public names, quick starts, no pickle."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import charrnn
from charrnn.errors import CharrnnError

PACKAGE = Path(charrnn.__file__).parent

LAYERS = {
    6: {
        "cli",
        "cli.app",
        "cli.corpora",
        "cli.drawing",
        "cli.flags",
        "cli.following",
        "cli.holding",
        "cli.judging",
        "cli.learning",
        "cli.looking",
        "cli.portrait",
        "cli.reports",
        "cli.sharing",
        "cli.surprises",
        "cli.texts",
        "cli.watching",
        "cli.writing",
        "console",
        "console.chart",
        "console.conversing",
        "console.diagnosis",
        "console.heat",
        "console.live_screen",
        "console.training_view",
        "pictures",
        "__main__",
    },
    5: {
        "benchmark",
        "conversation",
        "curves",
        "doctor",
        "events",
        "export",
        "export.graph",
        "export.single_file",
        "export.web",
        "forcing",
        "memory",
        "neurons",
        "progress",
        "session",
        "training",
    },
    4: {
        "adaptation",
        "constraints",
        "evaluation",
        "graphed_update",
        "novelty",
        "pages",
        "sampling",
        "surprise",
        "update",
    },
    3: {
        "writers",
        "writers.compiled_loop",
        "writers.graph_writer",
        "writers.packed_writer",
        "writers.plain_loop",
        "writers.quantized_writer",
        "writers.switching_loop",
        "writers.torch_writer",
        "writers.whole_products",
        "model",
        "optimization",
        "regularization",
    },
    2: {
        "group",
        "recurrence",
        "recurrence.cpu",
        "recurrence.gates",
        "recurrence.layer",
        "recurrence.native",
        "recurrence.nvrtc",
        "recurrence.persistent",
        "recurrence.products",
        "recurrence.reference",
        "recurrence.streams",
        "recurrence.wavefront",
        "recurrence.workspace",
        "checkpoint",
        "manifest",
        "saving",
        "verification",
        "runs",
        "metrics",
    },
    1: {
        "activations",
        "quantization",
        "atomics",
        "baseline",
        "config",
        "corpus",
        "catalogue",
        "compiled",
        "decoding",
        "documents",
        "downloads",
        "encoded",
        "features",
        "vocabulary",
        "cuda_graph",
        "device",
        "filters",
        "processor",
        "randomness",
        "ranks",
        "records",
        "values",
    },
    0: {"errors", "__init__"},
}
NO_COMMANDS = {
    "cli",
    "cli.holding",
    "cli.portrait",
    "cli.reports",
    "cli.surprises",
    "cli.texts",
    "cli.watching",
}
LAYER_OF = {module: layer for layer, modules in LAYERS.items() for module in modules}


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text("utf-8"))
    return found


def imports(tree: ast.Module) -> set[str]:
    """Return the modules of charrnn that a module imports at run time, inside functions too."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in skipped:
            if node.module == "charrnn":
                found |= {alias.name for alias in node.names}
            elif node.module.startswith("charrnn."):
                found.add(node.module.removeprefix("charrnn."))
                found |= {
                    inner
                    for alias in node.names
                    if (inner := f"{node.module.removeprefix('charrnn.')}.{alias.name}") in LAYER_OF
                }
    return found


def test_every_module_has_a_layer() -> None:
    assert set(modules()) == set(LAYER_OF)


def test_imports_point_down_only() -> None:
    upward = [
        f"{module} imports {imported}"
        for module, tree in modules().items()
        for imported in imports(tree)
        if module != "__init__" and LAYER_OF[imported] > LAYER_OF[module]
    ]
    assert upward == []


def test_modules_are_imported_in_the_one_way_that_is_looked_at() -> None:
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, module
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
                assert not any(name.startswith("charrnn.") for name in names), module


def test_nobody_imports_the_command_line() -> None:
    users = {module for module, tree in modules().items() if "cli" in imports(tree)}
    assert {module for module in users if not module.startswith("cli")} == {"__main__"}


@pytest.mark.parametrize(
    ("library", "users"),
    [
        (
            "typer",
            {name for name in LAYER_OF if name.split(".")[0] == "cli" and name not in NO_COMMANDS},
        ),
        (
            "rich",
            {
                "console",
                "console.chart",
                "console.heat",
                "console.live_screen",
                "console.training_view",
            },
        ),
        ("click", set()),
        ("pickle", set()),
    ],
)
def test_libraries_stay_where_they_belong(library: str, users: set[str]) -> None:
    found = {
        module
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == library)
        or (isinstance(node, ast.Import) and library in {a.name.split(".")[0] for a in node.names})
    }
    assert found == users


def test_checkpoints_and_sampling_know_no_torch() -> None:
    without = {
        "sampling",
        "checkpoint",
        "manifest",
        "saving",
        "verification",
        "runs",
        "corpus",
        "config",
        "catalogue",
        "decoding",
        "documents",
        "downloads",
        "encoded",
        "features",
        "vocabulary",
        "randomness",
        "metrics",
        "values",
    }
    for module in without:
        source = PACKAGE.joinpath(f"{module}.py").read_text("utf-8")
        assert "import torch" not in source, module
        assert "from torch" not in source, module


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
