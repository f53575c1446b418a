"""Time a page that writes in a headless Chromium: WebAssembly beside plain JavaScript.

    charrnn export bard --to html && python benchmarks/web_page.py bard.html

Both multiply in the same page and take turns; the rest, gates and the draw, is JavaScript in both.
Prints characters a second, the median of the rounds with the slowest and the fastest.
"""

import argparse
import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_TIME = """([engine, milliseconds]) => {
    job++;
    network.multiply = engine === "WebAssembly" ? compiled : network.plainProducts;
    network.reset();
    const begun = performance.now();
    let written = 0, code = 0, spent = 0;
    while (spent < milliseconds) {
        for (let n = 0; n < 20; n++) {
            network.read(code);
            code = network.draw(0.8);
        }
        written += 20;
        spent = performance.now() - begun;
    }
    return 1000 * written / spent;
}"""


def main() -> None:
    """Open the page, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    asked = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sys.exit("there is no Chromium: install the package chromium")
    speeds: dict[str, list[float]] = {"WebAssembly": [], "plain JavaScript": []}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(asked.page.resolve().as_uri())
        page.wait_for_selector("#text[data-done]", timeout=120_000)
        page.evaluate("() => { globalThis.compiled = network.multiply; }")
        for round_ in range(asked.rounds + 1):
            for engine, found in speeds.items():
                speed = page.evaluate(_TIME, [engine, 1000 * asked.seconds])
                if round_:  # the first one warms up
                    found.append(speed)
        version = browser.version
        browser.close()
    for engine, found in speeds.items():
        middle = statistics.median(found)
        print(
            f"{engine}: {middle:,.0f} characters a second ({min(found):,.0f} to {max(found):,.0f})"
        )
    fast, slow = (statistics.median(found) for found in speeds.values())
    print(f"WebAssembly is {fast / slow:.1f} times as fast; Chromium {version}")


if __name__ == "__main__":
    main()
