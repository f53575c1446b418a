import pytest

from charrnn.console.output import print_error
from charrnn.console.tables import print_facts, print_table


def test_markup_in_names_is_not_interpreted(capfd: pytest.CaptureFixture[str]) -> None:
    print_error("no [bold]file[/bold] :smile:")
    print_table("t", ("run", "n"), [("[red]x[/red]", "1")])
    print_facts([("name", "[link=x]y[/link]")])
    output = "".join(capfd.readouterr())
    for literal in ("[bold]file[/bold] :smile:", "[red]x[/red]", "[link=x]y[/link]"):
        assert literal in output
