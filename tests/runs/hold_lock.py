"""Hold the lock of the run at the first argument for a minute."""

import sys
import time
from pathlib import Path

from charrnn.runs.run import Run

with Run.open(Path(sys.argv[1])).lock_for_writing():
    print("held", flush=True)
    time.sleep(60)
