import pytest

from tests.conftest import Cli


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trian"], "no such command 'trian': did you mean 'train'?"),
        (["train", "--hiden-size", "3"], "no such option: --hiden-size: did you mean "),
        (["--nonsense"], "no such option: --nonsense: see `charrnn --help`"),
        (["info", "a", "b", "c"], "too many arguments: b c: see `charrnn info --help`"),
        (["sample", "--temprature", "1"], "no such option: --temprature: did you mean "),
        (["sample", "https://x.org/y"], "https://x.org/y is a web address, and charrnn does not"),
        (["sample", "--prompt-file", "-", "--adapt", "-"], "standard input can be read only once"),
        (["train", "-", "-"], "standard input can be read only once, so give - once"),
        (["score", "--run", "bard", "-", "-"], "standard input can be read only once, so give - o"),
        (["plot", "bard", "--text", "-"], "--text has no effect without --memory"),
        (["plot", "bard", "--text", "t", "-o", "p.html"], "--text has no effect in a page"),
        (
            ["plot", "bard", "--memory", "--text", "t", "--corpus", "c"],
            "--corpus has no effect with --text",
        ),
        (["neurons", "bard", "--text", "t", "--corpus", "c"], "--corpus has no effect with --text"),
        (["neurons", "bard", "-o", "p.html", "--json"], "--json has no effect with --out"),
        (["score", "bard", "t", "--corpus", "c"], "--corpus has no effect with a text to score"),
        (
            ["score", "bard", "--per-char", "-o", "p.html", "--json"],
            "--json has no effect with --out",
        ),
        (["corpora", "clean", "--json"], "--json has no effect with clean"),
        (["sample", "--json", "--no-prompt"], "--no-prompt has no effect with --json"),
        (["export", "--to", "onnx", "--corpus", "c"], "--corpus has no effect without --to html"),
        (
            ["export", "--to", "html", "--no-cells", "--corpus", "c"],
            "--corpus has no effect with --no-cells",
        ),
        (["corpora", "fetch", "nosuch"], "there is no text 'nosuch' in the catalog: give names of"),
        (["score", "--context"], "option '--context' requires an argument: see `charrnn score --h"),
        (["train", "--cell", "tree"], "--cell must be one of lstm, gru, rnn, not 'tree'"),
        (
            ["train", "--hidden-size", "x"],
            "--hidden-size must be a whole number from 1 to 16,384, not 'x'",
        ),
        (["train", "--max-time", "soon"], "--max-time: 'soon' is not a duration: write 90s"),
        (["train", "--out-dir="], "--out-dir: an empty path names no file or folder"),
        (["train", ""], "CORPUS: an empty path names no file or folder"),
        (["sample", "--checkpoint", "new"], "--checkpoint must be best, last or step-N, such as"),
    ],
)
def test_wrong_usage_is_explained_in_one_sentence(
    arguments: list[str], sentence: str, cli: Cli
) -> None:
    outcome = cli(*arguments)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {sentence}")
    assert outcome.err.count("\n") == 1


def test_without_arguments_the_help_is_shown(cli: Cli) -> None:
    outcome = cli()
    assert "Usage: charrnn [OPTIONS] COMMAND" in outcome.out + outcome.err
    assert "error:" not in outcome.err
