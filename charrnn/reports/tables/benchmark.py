"""The result of `bench` as a table."""

from charrnn.config.counts import format_count
from charrnn.console.tables import print_facts, print_table
from charrnn.console.text import format_network
from charrnn.training.benchmark import BenchmarkResult


def print_benchmark(result: BenchmarkResult) -> None:
    """Print the measured speeds as a table, and what they were measured on."""
    config, quantization = result.config, result.quantization
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
    speed = {row.name: row.median for row in result.measured}
    shares = [
        f"{speed[name] / speed[name.replace('charrnn', 'limit')]:.0%} in {name.split()[1]}"
        for name in speed
        if name.startswith("charrnn")
    ]
    facts = [
        ("fraction of the limit", ", ".join(shares)),
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
    print_facts(facts)
