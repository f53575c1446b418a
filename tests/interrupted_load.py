"""Run `charrnn list`, and send SIGINT just before the module of the first argument is loaded."""

import importlib.abc
import os
import signal
import sys


class InterruptingFinder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, *_: object) -> None:
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)


MODULE = sys.argv[1]
sys.meta_path.insert(0, InterruptingFinder())
sys.argv = ["charrnn", "list"]
from charrnn.__main__ import main  # noqa: E402

main()
