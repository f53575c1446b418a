"""`charrnn bench`."""

import dataclasses

from charrnn.cli.flags import JsonOption, config_flags
from charrnn.config.benchmark import BenchConfig


@config_flags
def bench(as_json: JsonOption = False, config: BenchConfig = BenchConfig()) -> None:  # noqa: B008
    """Measure the training speed on this machine, compared with stock PyTorch and the device limit.

    The limit is the speed of the matrix multiplications alone, without all other work.
    """
    from charrnn.console.output import print_json
    from charrnn.numerics.allocator import keep_freed_memory
    from charrnn.reports.tables.benchmark import print_benchmark, warn_about_other_work
    from charrnn.training.benchmark import run_benchmark

    keep_freed_memory()
    result = run_benchmark(config)
    if as_json:
        print_json(dataclasses.asdict(result))
    else:
        print_benchmark(result)
    warn_about_other_work(result)
