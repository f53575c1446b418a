"""The view "Runs" of the page, in a browser: losses, and a run that is being trained."""

import re
from typing import TYPE_CHECKING

from charrnn.numerics.information import nats_to_bits
from charrnn.runs.metrics import append_row, read_rows
from charrnn.runs.run import Run
from charrnn.training.events import Finished
from tests.serve.conftest import RunningServer
from tests.serve.test_page_write import opened_view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def select_verse(page: "Page") -> None:
    page.get_by_role("button", name="verse").click()
    page.get_by_role("checkbox", name="Draw bard").uncheck()
    page.get_by_role("checkbox", name="Draw verse").check()


def test_losses_are_listed_and_drawn(
    served_run: Run, browser: "Browser", server: RunningServer
) -> None:
    from playwright.sync_api import expect

    rows = read_rows(served_run.metrics_path)
    losses = [row["val_loss"] for row in rows if row["val_loss"] is not None]
    bits = f"{nats_to_bits(min(losses)):.4f}"
    with opened_view(browser, server, "runs") as page:
        select_verse(page)
        row = page.get_by_role("row").filter(has_text="verse")
        assert row.locator("td.figure").first.inner_text() == bits
        expect(page.locator("#run-state")).to_contain_text(f"Best held-out loss: {bits} bits")
        for kind in ("held-out", "training", "5-gram"):
            expect(page.locator(f"#loss-chart path[class~='{kind}']")).to_have_count(1)
        last = rows[-1]
        page.select_option("#axis", "epochs")
        page.select_option("#loss-unit", "nats")
        page.locator("#loss-chart svg").focus()
        page.keyboard.press("End")
        readout = page.inner_text("#loss-readout")
        assert readout.startswith(f"Epoch {last['epoch']:.4g}. verse: held-out ")
        assert f"{last['val_loss']:.3f}, training {last['train_loss']:.3f}" in readout
        assert page.get_by_role("link", name="Report").get_attribute("href") == (
            "/v1/runs/verse/report"
        )
        page.get_by_role("checkbox", name="Draw verse").uncheck()
        expect(page.locator("#loss-chart path")).to_have_count(0)


def test_a_run_is_followed_while_it_is_trained(
    finished: Finished, browser: "Browser", own_server: RunningServer
) -> None:
    from playwright.sync_api import expect

    path = finished.run.metrics_path
    row = {**read_rows(path)[-1], "preview": "<b>New</b> text"}
    with finished.run.lock_for_writing(), opened_view(browser, own_server, "runs") as page:
        expect(page.locator("#run-name")).to_have_text("verse")
        expect(page.locator("#run-state")).to_have_text(re.compile("^Training: step 30 of"))
        append_row(path, row | {"step": 40, "val_loss": 0.5})
        expect(page.locator("#run-state")).to_have_text(re.compile("^Training: step 40 of"))
        expect(page.locator("#run-state")).to_contain_text("(0.5000 nats), at step 40.")
        expect(page.locator("#previews pre").first).to_have_text("<b>New</b> text")
