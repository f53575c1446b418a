"""`charrnn sample -i`: a person and the model write in turns."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from charrnn.console.output import messages, print_error
from charrnn.console.samples import TextOutput
from charrnn.errors import CharrnnError, ConfigError
from charrnn.sampling.conversation import Conversation

_SETTINGS = ("temperature", "length", "seed", "top_k", "top_p", "min_p")
_HELP = """\
A line you type is added to the text, and the model goes on from there.
An empty line, or /more      lets it go on
/again                       takes its last answer back and writes another
/new                         begins a new text
/save FILE                   keeps the text so far
/temperature 1.1             below 1 safer, above 1 wilder
/length 300                  so too /top-k 5, /top-p 0.9, /min-p 0.1 (off: no
                             limit) and /seed 7
/help                        this
Ctrl-C stops an answer; Ctrl-D, or /quit, leaves. // begins a line that is text."""


def converse(conversation: Conversation, prompt: str) -> None:
    """Take lines from standard input until it ends; answer each."""
    say = messages().print
    shown = "> " if sys.stdin.isatty() and sys.stdout.isatty() else ""
    if shown:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  gives `input` editing and history
    if sys.stdin.isatty():
        say(f"seed {conversation.config.seed}; /help tells what can be typed, Ctrl-D leaves")
    if prompt:
        _show(conversation, lambda: conversation.add_line(prompt), whole=True)
    while True:
        try:
            line = input(shown)
            if line == "/quit":
                return
            _take(conversation, line, say)
        except EOFError:
            if shown:
                say("")
            return
        except KeyboardInterrupt:
            say("\n(Ctrl-D leaves)")
        except BrokenPipeError:
            raise
        except OSError as error:
            print_error(f"{error.filename}: {error.strerror}")
        except CharrnnError as error:
            print_error(str(error))


def _take(conversation: Conversation, line: str, say: Callable[[str], None]) -> None:
    """Do what a line asks for; raise `ConfigError` if nobody knows what that is."""
    word, _, rest = line.partition(" ")
    name, rest = word.removeprefix("/").replace("-", "_"), rest.strip()
    if line in ("", "/more"):
        _show(conversation, conversation.continue_text)
    elif line.startswith("//") or not line.startswith("/"):
        text = line.removeprefix("/") if line.startswith("//") else line
        _show(conversation, lambda: conversation.add_line(text))
    elif line == "/again":
        _show(conversation, conversation.retry)
    elif line == "/new":
        conversation.clear()
        say("a new text begins")
    elif line == "/help":
        say(_HELP)
    elif name == "save" and rest:
        with Path(rest).expanduser().open("x", encoding="utf-8", newline="") as file:
            file.write(conversation.text)
        say(f"{len(conversation.text):,} characters are in {rest} now")
    elif name in _SETTINGS and rest:
        conversation.set(**{name: _value(rest)})
        say(f"{name.replace('_', '-')} {getattr(conversation.config, name)}")
    else:
        raise ConfigError(f"there is no command {line}: /help tells which there are")


def _show(
    conversation: Conversation, answer: Callable[[], Generator[str]], whole: bool = False
) -> None:
    """Write an answer to standard output, behind the line (or text) it goes on; Ctrl-C stops it."""
    output = TextOutput()
    try:
        with _stop_request() as stop, contextlib.closing(answer()) as pieces:
            text = conversation.text
            output.show_text(text if whole else text.rpartition("\n")[2])
            for piece in pieces:
                output.show_text(piece)
                if stop.is_set():
                    break
    finally:
        if not sys.stdout.isatty():
            output.show_text("\n")
        output.close()


@contextlib.contextmanager
def _stop_request() -> Iterator[threading.Event]:
    """Yield what Ctrl-C sets meanwhile; the second time it interrupts, as it does elsewhere.

    An exception would be lost where libraries let none through, and could end a half-read answer.
    """
    stop = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        # First of all: a second one in here would wait for itself.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()

    before = signal.signal(signal.SIGINT, request)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _value(text: str) -> Any:
    if text == "off":
        return None
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    raise ConfigError(f"{text!r} is not a number")
