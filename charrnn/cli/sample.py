"""`charrnn sample`."""

import dataclasses
import secrets
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.cli.flags import (
    CheckpointOption,
    DeviceOption,
    JsonOption,
    RunArgument,
    config_flags,
    number_option,
    open_run,
)
from charrnn.cli.paths import check_standard_input, text_option
from charrnn.cli.usage import UsageError, as_usage_error, refuse_options
from charrnn.config.checks import Range
from charrnn.config.sampling import SampleConfig
from charrnn.config.text import ReadingConfig
from charrnn.config.training import DeviceName

if TYPE_CHECKING:
    from charrnn.data.vocabulary import Codes
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.runs.text_reader import TextReader, Unknown
    from charrnn.sampling.engines.interface import SamplingEngine

PromptOption = Annotated[
    str | None, typer.Option("--prompt", "-p", help="Text to continue.", show_default=False)
]
PromptFileOption = Annotated[
    str | None,
    text_option(
        "--prompt-file",
        "File with the text to continue, - for standard input. All of it is used, also a line "
        "break at its end.",
    ),
]
AdaptFileOption = Annotated[
    str | None,
    text_option(
        "--adapt",
        "First train a copy of the model on this draft; without a prompt, continue the draft, or "
        "write another document.",
    ),
]
EscapeOption = Annotated[
    bool,
    typer.Option(
        "--escape",
        "-e",
        help=r"Read each \n, \t, \\, \x1c or \u2026 in --prompt, --stop, --ban and --only as the "
        "character that it stands for.",
    ),
]
NoPromptOption = Annotated[
    bool, typer.Option("--no-prompt", help="Print only the new text, without the prompt.")
]
NoveltyOption = Annotated[
    str | None,
    text_option(
        "--novelty",
        "Show how much of the output is copied from this text (a file, or a name that "
        "`charrnn corpora` lists).",
        metavar="CORPUS",
    ),
]
InteractiveOption = Annotated[
    bool,
    typer.Option(
        "--interactive", "-i", help="Take turns with the model: type a line, and it continues."
    ),
]
LogprobsOption = Annotated[
    int | None,
    number_option(
        int,
        Range(0, 10**6),
        "--logprobs",
        help_text="With --json: list each new character with its log-probability at temperature 1, "
        "and this many of the most likely characters.",
    ),
]
PrecisionOption = Annotated[
    Literal["auto", "float32"],
    typer.Option(
        help="Number format of the weights; auto: 8 bits for one text on a CPU, bfloat16 for "
        "several if the CPU has instructions for it, float16 on a GPU."
    ),
]


@config_flags
def sample(
    context: typer.Context,
    run: RunArgument = None,
    prompt: PromptOption = None,
    prompt_file: PromptFileOption = None,
    escape: EscapeOption = False,
    adapt: AdaptFileOption = None,
    no_prompt: NoPromptOption = False,
    novelty: NoveltyOption = None,
    interactive: InteractiveOption = False,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
    logprobs: LogprobsOption = None,
    reading: ReadingConfig = ReadingConfig(),  # noqa: B008
    config: SampleConfig = SampleConfig(),  # noqa: B008
) -> None:
    """Generate text with a trained model."""
    from charrnn.console.interactive import run_conversation
    from charrnn.console.output import print_json
    from charrnn.reports.samples import generate_and_print, generate_as_json, print_unused
    from charrnn.runs.text_reader import TextReader
    from charrnn.sampling.conversation import Conversation

    check_inputs(prompt, prompt_file, adapt, novelty)
    _check_outputs(context, config, interactive, as_json, logprobs)
    prompt, config = _parse_texts(prompt, config, escape)
    selected = open_run(run).select(checkpoint)
    reader = TextReader(selected, reading)
    text = read_prompt(reader, prompt, prompt_file, config.unknown)
    if config.stop:
        config = dataclasses.replace(config, stop=reader.convert(config.stop))
    novelty_corpus = reader.open_corpus(novelty) if novelty else None
    corpus = novelty_corpus or (reader.reopen() if config.max_copy else None)
    draft, draft_codes = reader.read_known(adapt, config.unknown) if adapt else (None, None)
    engine = _make_engine(selected, draft_codes, config, device, precision)
    if draft and not text and engine.separator_code is None:
        text, no_prompt = draft, True
    if interactive:
        print_unused(config, engine.vocabulary, text)
        run_conversation(Conversation(engine, config, corpus), text)
        return
    config = _choose_seed(config)
    if as_json:
        texts = generate_as_json(engine, text, config, corpus, novelty_corpus, logprobs)
        print_json({"run": str(selected.run.path), **texts})
    else:
        generate_and_print(engine, text, config, corpus, novelty_corpus, with_prompt=not no_prompt)


def check_inputs(prompt: str | None, prompt_file: str | None, *other_files: str | None) -> None:
    """Raise an error if there are two prompts, or several files that are standard input."""
    if prompt is not None and prompt_file is not None:
        raise UsageError("give --prompt or --prompt-file, not both")
    check_standard_input([prompt_file, *other_files])


def _check_outputs(
    context: typer.Context,
    config: SampleConfig,
    interactive: bool,
    as_json: bool,
    logprobs: int | None,
) -> None:
    """Raise an error if an output is not available, such as several texts in a conversation."""
    if interactive:
        if as_json or config.num_samples > 1 or len(config.temperatures) > 1:
            raise UsageError(
                "--interactive cannot be combined with --json, --num-samples or several "
                "temperatures"
            )
        refuse_options(context, ("novelty", "no_prompt"), "with --interactive")
    if as_json:
        refuse_options(context, ["no_prompt"], "with --json")
    elif logprobs is not None:
        raise UsageError("--logprobs adds to the output of --json: give --json too")


def _make_engine(
    checkpoint: "Checkpoint",
    draft_codes: "Codes | None",
    config: SampleConfig,
    device: DeviceName,
    precision: Literal["auto", "float32"],
) -> "SamplingEngine":
    """Return a sampling engine for a checkpoint, or for a copy that was trained on a draft."""
    from charrnn.sampling.engines.selection import engine_for, engine_for_checkpoint

    if draft_codes is None:
        return engine_for_checkpoint(
            checkpoint, num_samples=config.num_samples, device=device, precision=precision
        )
    from charrnn.analysis.dynamic_evaluation import load_adapted

    return engine_for(load_adapted(checkpoint, draft_codes, device), precision)


def _choose_seed(config: SampleConfig) -> SampleConfig:
    """Return a config with a seed; a new seed is printed."""
    from charrnn.console.output import print_message

    if config.seed is not None:
        return config
    config = dataclasses.replace(config, seed=secrets.randbits(32))
    print_message(f"seed {config.seed}")
    return config


def read_prompt(
    reader: "TextReader", prompt: str | None, prompt_file: str | None, unknown: "Unknown"
) -> str:
    """Return the prompt, or the text of a file."""
    if prompt_file:
        return reader.read_known(prompt_file, unknown)[0]
    return reader.convert(prompt or "")


@as_usage_error
def _parse_texts(
    prompt: str | None, config: SampleConfig, escape: bool
) -> tuple[str | None, SampleConfig]:
    """Replace the escapes of the prompt and of the texts in the config; check these texts."""
    from charrnn.config.parsing import parse_escapes
    from charrnn.sampling.constraints import check_contradictions

    def parse(text: str | None) -> str | None:
        return text and parse_escapes(text)

    if escape:
        prompt = parse(prompt)
        config = dataclasses.replace(
            config, stop=parse(config.stop), ban=parse(config.ban), only=parse(config.only)
        )
    check_contradictions(config)
    return prompt, config
