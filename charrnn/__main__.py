"""The `charrnn` command, and `python -m charrnn`."""

import signal


def main() -> None:
    """Run the command; Ctrl-C while it is still being loaded ends it without a traceback."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from charrnn.cli.app import main as command

    signal.signal(signal.SIGINT, before)
    command()


if __name__ == "__main__":
    main()
