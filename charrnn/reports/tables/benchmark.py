"""The result of `bench` as a table."""

from collections.abc import Sequence

from charrnn.config.counts import format_count
from charrnn.console.output import print_warning
from charrnn.console.tables import print_facts, print_table
from charrnn.console.text import format_network
from charrnn.training.benchmark import BenchmarkResult, ContenderSpeed

_MIN_CPU_SHARE = 0.9  # on a quiet machine it is about 1


def print_benchmark(result: BenchmarkResult) -> None:
    """Print the measured speeds as a table, and what they were measured on."""
    print_table(
        "training speed, forward and backward, in characters per second",
        ("program", "median", "slowest", "fastest", "relative to stock float32"),
        [
            (
                row.name,
                f"{row.median:,.0f}",
                f"{row.minimum:,.0f}",
                f"{row.maximum:,.0f}",
                f"{row.times_stock:z.2f}",
            )
            for row in result.measured
        ],
    )
    print_facts(_list_facts(result))


def _list_facts(result: BenchmarkResult) -> list[tuple[str, str]]:
    """Return what the speeds were measured on, and the cost of 8-bit weights."""
    config, quantization = result.config, result.quantization
    facts = [
        ("fraction of the limit", _format_shares(result.measured)),
        ("network", format_network(config.num_layers, config.hidden_size, "lstm")),
        (
            "batch",
            f"{format_count(config.batch_size, 'stream')} x "
            f"{format_count(config.seq_length, 'character')}, "
            f"{format_count(config.vocabulary_size, 'distinct character')}",
        ),
        (
            "measured",
            f"{format_count(result.rounds, 'round')}, {format_count(result.threads, 'thread')}, "
            f"torch {result.torch}",
        ),
        ("device", f"{result.device}: {result.processor}"),
        *([("CPU type", result.instructions)] if result.device == "cpu" else []),
        *((f"engine in {name}", engine) for name, engine in result.engines.items()),
        (
            "8-bit weights",
            f"{quantization.quantized_bits:z.4f} bits per character, compared with "
            f"{quantization.float32_bits:z.4f} in float32: a change of {quantization.change:+z.4f} "
            f"({quantization.run} on {format_count(quantization.characters, 'character')} of "
            f"{quantization.text}, on which it was not trained)",
        ),
    ]
    if result.device == "cpu" and not result.bfloat16_instructions:
        facts.append(("bfloat16", "not measured: this CPU has no bfloat16 instructions"))
    if result.default_shape:
        shape = result.default_shape
        facts.insert(
            1,
            (
                f"with {shape.batch_size} x {shape.seq_length}",
                f"{_format_shares(shape.measured)} (the default for a text of a megabyte)",
            ),
        )
    return facts


def warn_about_other_work(result: BenchmarkResult) -> None:
    """Print a warning if other programs used the CPU during the benchmark."""
    if result.cpu_share is not None and result.cpu_share < _MIN_CPU_SHARE:
        print_warning(
            f"other work slows this machine down: the large products got {result.cpu_share:.0%} "
            "of the CPU time; close other programs and measure again"
        )


def _format_shares(measured: Sequence[ContenderSpeed]) -> str:
    """Return the speed of charrnn as a fraction of the limit, in each precision."""
    speed = {row.name: row.median for row in measured}
    return ", ".join(
        f"{speed[name] / speed[name.replace('charrnn', 'limit')]:.0%} in {name.split()[1]}"
        for name in speed
        if name.startswith("charrnn")
    )
