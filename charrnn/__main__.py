"""The `charrnn` command, and `python -m charrnn`."""

import signal


def main() -> None:
    """Run the command; Ctrl-C during its import ends it without a traceback."""
    old_handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from charrnn.cli.app import main as command

    signal.signal(signal.SIGINT, old_handler)
    command()


if __name__ == "__main__":
    main()
