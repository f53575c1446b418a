"""The speed comparison as a table."""

from charrnn.console.tables import print_facts, print_table
from charrnn.training.benchmark import BenchmarkResult


def print_benchmark(result: BenchmarkResult) -> None:
    """Print what was measured as a table, and on what."""
    config, cost = result.config, result.quantization
    print_table(
        "training, forward and backward: characters a second",
        ("what", "median", "slowest", "fastest", "times stock float32"),
        [
            (
                each.name,
                f"{each.median:,.0f}",
                f"{each.minimum:,.0f}",
                f"{each.maximum:,.0f}",
                f"{each.times_stock:.2f}",
            )
            for each in result.measured
        ],
    )
    speed = {each.name: each.median for each in result.measured}
    shares = [
        f"{speed[name] / speed[name.replace('charrnn', 'limit')]:.0%} in {name.split()[1]}"
        for name in speed
        if name.startswith("charrnn")
    ]
    facts = [
        ("share of the limit", ", ".join(shares)),
        ("network", f"{config.num_layers} x {config.hidden_size} lstm"),
        (
            "batch",
            f"{config.batch_size} streams x {config.seq_length} characters, "
            f"{config.vocabulary_size} distinct",
        ),
        ("measured", f"{result.rounds} rounds, {result.threads} threads, torch {result.torch}"),
        ("device", f"{result.device}: {result.processor}"),
        *((f"engine in {name}", engine) for name, engine in result.engines.items()),
        (
            "8-bit weights",
            f"{cost.quantized_bits:.4f} bits per character, the network's {cost.float32_bits:.4f}: "
            f"a change of {cost.change:+.4f} ({cost.run} on {cost.characters:,} characters of "
            f"{cost.text}, which it never read)",
        ),
    ]
    if result.device == "cpu" and not result.bfloat16_instructions:
        facts.append(("bfloat16", "not measured: this processor has no instructions for it"))
    print_facts(facts)
