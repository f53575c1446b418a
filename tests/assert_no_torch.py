"""Run `charrnn` with arguments, or use public names that do not need torch; check its absence."""

import contextlib
import sys

arguments = sys.argv[1:]
if arguments == ["api"]:
    import charrnn

    charrnn.Vocabulary.from_text("ab")
    charrnn.SampleConfig()
else:
    from charrnn.cli.app import main

    sys.argv = ["charrnn", *arguments]
    if arguments:
        with contextlib.suppress(SystemExit):
            main()
assert "torch" not in sys.modules
