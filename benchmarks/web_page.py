"""Time an exported page that generates text in Chromium: WebAssembly and plain JavaScript.

    charrnn export bard --to html && python benchmarks/web_page.py bard.html

Both compute the matrix products, in turns, in the same page. Gates and random choice are JavaScript
in both. Prints the median, lowest and highest speed of all rounds, in characters per second.
"""

import argparse
import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_MEASURE_SPEED = """([engine, milliseconds]) => {
    currentJob++;
    network.multiply = engine === "WebAssembly" ? compiled : network.multiplyInScript;
    network.reset();
    const start = performance.now();
    let characters = 0, code = 0, elapsed = 0;
    while (elapsed < milliseconds) {
        for (let n = 0; n < 20; n++) {
            network.read(code);
            code = network.draw(0.9, 0.05);
        }
        characters += 20;
        elapsed = performance.now() - start;
    }
    return 1000 * characters / elapsed;
}"""


def main() -> None:
    """Open the page, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sys.exit("Chromium is not installed: install the package chromium")
    speeds: dict[str, list[float]] = {"WebAssembly": [], "plain JavaScript": []}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(arguments.page.resolve().as_uri())
        page.wait_for_selector("#text[data-done]", timeout=120_000)
        page.evaluate("() => { globalThis.compiled = network.multiply; }")
        for round_ in range(arguments.rounds + 1):
            for engine, values in speeds.items():
                speed = page.evaluate(_MEASURE_SPEED, [engine, 1000 * arguments.seconds])
                if round_:  # the first round warms up
                    values.append(speed)
        version = browser.version
        browser.close()
    for engine, values in speeds.items():
        median = statistics.median(values)
        print(
            f"{engine}: {median:,.0f} characters per second "
            f"({min(values):,.0f} to {max(values):,.0f})"
        )
    fast, slow = (statistics.median(values) for values in speeds.values())
    print(f"WebAssembly is {fast / slow:.1f} times as fast; Chromium {version}")


if __name__ == "__main__":
    main()
