"""`charrnn sample -i`: the user adds lines to a text, and the model continues it."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from types import FrameType

from charrnn.config.counts import format_count
from charrnn.console.output import print_error, print_message
from charrnn.console.samples import TextOutput
from charrnn.errors import CharrnnError, ConfigError
from charrnn.files import expand_path
from charrnn.sampling.conversation import Conversation
from charrnn.sampling.repetition import find_loop

_OPTIONAL_SETTINGS = ("top_k", "top_p", "min_p", "no_repeat")
_SETTINGS = ("temperature", "length", "seed", *_OPTIONAL_SETTINGS)
_HELP = """\
Type a line to add it to the text. The model then continues the text.
An empty line, or /more      continue the text
/again                       replace the last answer with a different one
/new                         start a new text
/save FILE                   save the text to a new file
/temperature 1.1             below 1: more predictable; above 1: more varied
/length 300                  number of characters in an answer
/top-k 5                     use only the 5 most likely characters ("off": all)
/top-p 0.9, /min-p 0.1       other ways to leave out unlikely characters
/no-repeat 20                never repeat 20 characters in a row ("off": no limit)
/seed 7                      the same seed gives the same answers
/help                        show this list
Ctrl-C stops an answer. Ctrl-D or /quit ends the program.
To add a line that starts with /, type // instead of /."""


def run_conversation(conversation: Conversation, prompt: str) -> None:
    """Read lines from standard input until it ends, and run or answer each of them."""
    input_prompt = "> " if sys.stdin.isatty() and sys.stdout.isatty() else ""
    if input_prompt:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  adds editing and history to `input`
    if sys.stdin.isatty():
        print_message(f"seed {conversation.config.seed}; /help lists the commands, Ctrl-D ends")
    if prompt:
        _show_answer(conversation, lambda: conversation.add_line(prompt), show_whole_text=True)
    reported = False
    while True:
        try:
            line = input(input_prompt)
            if line == "/quit":
                return
            _run_line(conversation, line)
            if not reported and _is_looping(conversation):
                reported = True
                _reply("the text repeats itself: type /no-repeat 20 or a higher /temperature")
        except EOFError:
            if input_prompt:
                _reply("")
            return
        except KeyboardInterrupt:
            _reply("\n(press Ctrl-D to end)")
        except FileExistsError as error:
            print_error(f"there is a file {error.filename} already: give another name")
        except OSError as error:
            print_error(f"{error.filename}: {error.strerror}")
        except CharrnnError as error:
            print_error(_explain(error))


def _run_line(conversation: Conversation, line: str) -> None:
    """Run a command, or add a line to the text; raise `ConfigError` for an unknown command."""
    word, _, rest = line.partition(" ")
    name, rest = word.removeprefix("/").replace("-", "_"), rest.strip()
    if line in ("", "/more"):
        _show_answer(conversation, conversation.continue_text)
    elif line.startswith("//") or not line.startswith("/"):
        text = line.removeprefix("/") if line.startswith("//") else line
        _show_answer(conversation, lambda: conversation.add_line(text))
    elif line == "/again":
        _show_answer(conversation, conversation.retry)
    elif line == "/new":
        conversation.clear()
        _reply("started a new text")
    elif line == "/help":
        _reply(_HELP)
    elif name == "save" and rest:
        with expand_path(rest).open("x", encoding="utf-8", newline="") as file:
            file.write(conversation.text)
        _reply(f"saved {format_count(len(conversation.text), 'character')} to {rest}")
    elif name in _SETTINGS and rest:
        is_off = rest == "off" and name in _OPTIONAL_SETTINGS
        conversation.set(**{name: None if is_off else _parse_number(rest)})
        value = "off" if is_off else getattr(conversation.config, name)
        _reply(f"{name.replace('_', '-')} {value}")
    elif name in ("save", *_SETTINGS):
        example = "/save text.txt" if name == "save" else f"{word} 1"
        raise ConfigError(f"{word} needs a value", f"type {example}, for example")
    else:
        raise ConfigError(f"there is no command {line}", "type /help for a list of commands")


def _explain(error: CharrnnError) -> str:
    """Return a message without the flags of `charrnn sample`; settings are named as commands."""
    message = error.explain(flags=())
    if isinstance(error, ConfigError) and error.setting in _SETTINGS:
        spoken, command = error.setting.replace("_", " "), error.setting.replace("_", "-")
        return f"/{command}{message.removeprefix(spoken)}"
    return message


def _reply(message: str) -> None:
    print_message(message, is_requested=True)


def _show_answer(
    conversation: Conversation, answer: Callable[[], Generator[str]], show_whole_text: bool = False
) -> None:
    """Show an answer on standard output, after the line (or text) that it continues.

    Ctrl-C stops the answer.
    """
    output = TextOutput()
    try:
        with _stop_request() as stop, contextlib.closing(answer()) as pieces:
            text = conversation.text
            output.show_text(text if show_whole_text else text.rpartition("\n")[2])
            for piece in pieces:
                output.show_text(piece)
                if stop.is_set():
                    break
    finally:
        if not sys.stdout.isatty():
            output.show_text("\n")
        output.close()
    if conversation.ended_by_no_repeat:
        _reply(
            "the answer ends here, because each possible next character would repeat a passage of "
            f"length {conversation.config.no_repeat:,}: type a line, or a larger /no-repeat"
        )


def _is_looping(conversation: Conversation) -> bool:
    """Return whether the temperature is 0 and the text ends in a loop."""
    return conversation.config.temperature == 0 and find_loop(conversation.text) is not None


@contextlib.contextmanager
def _stop_request() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets; a second Ctrl-C raises `KeyboardInterrupt`.

    An exception at the first Ctrl-C could be lost inside a library, or leave an answer half read.
    """
    stop = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        # Do this first: a second Ctrl-C during `stop.set()` would deadlock in its handler.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()

    old_handler = signal.signal(signal.SIGINT, request)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, old_handler)


def _parse_number(text: str) -> int | float:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    raise ConfigError(f"{text!r} is not a number", "give a number, such as 0.8")
