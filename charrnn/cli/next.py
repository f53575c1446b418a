"""`charrnn next`."""

from typing import Annotated

from charrnn.cli.flags import CheckpointOption, JsonOption, RunArgument, number_option, open_run
from charrnn.cli.sample import (
    EscapeOption,
    PromptFileOption,
    PromptOption,
    check_inputs,
    read_prompt,
)
from charrnn.cli.score import UnknownOption
from charrnn.cli.usage import as_usage_error
from charrnn.config.checks import Range

CountOption = Annotated[
    int,
    number_option(int, Range(1, 10**6), "--count", "-n", help_text="Number of characters to show."),
]


def show_next(
    run: RunArgument = None,
    prompt: PromptOption = None,
    prompt_file: PromptFileOption = None,
    escape: EscapeOption = False,
    count: CountOption = 10,
    unknown: UnknownOption = "error",
    checkpoint: CheckpointOption = "best",
    as_json: JsonOption = False,
) -> None:
    """Show the most likely next characters of a text, with their probabilities.

    These are the probabilities of the network itself: temperature 1, without filters.
    """
    check_inputs(prompt, prompt_file)
    from charrnn.config.parsing import parse_escapes
    from charrnn.console.output import print_json
    from charrnn.reports.next_characters import print_next_characters
    from charrnn.runs.text_reader import TextReader
    from charrnn.sampling.engines.selection import engine_for_checkpoint
    from charrnn.sampling.next_characters import find_next_characters

    if prompt and escape:
        prompt = as_usage_error(parse_escapes)(prompt)
    selected = open_run(run).select(checkpoint)
    reader = TextReader(selected)
    text = read_prompt(reader, prompt, prompt_file, unknown)
    engine = engine_for_checkpoint(selected, device="cpu")
    likely = find_next_characters(engine, text, count, unknown)
    if as_json:
        characters = [character._asdict() for character in likely]
        print_json({"run": str(selected.run.path), "prompt": text, "next": characters})
    else:
        print_next_characters(text, likely)
