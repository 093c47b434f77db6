"""The explorer when there is nothing to show, when its table grows, and when its server ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]
DASHBOARD = ("scaling.cli", "dashboard", "--runs", "runs.csv")
RUNS = 14


def table() -> pd.DataFrame:
    """One architecture at seven budgets and two widths; as many examples as runs."""
    rows = range(RUNS)
    return pd.DataFrame(
        {
            "run_id": [f"run-{row}" for row in rows],
            "architecture": "astro",
            "variant": [f"astro({'wide' if row % 2 else 'narrow'})" for row in rows],
            "width": [32 if row % 2 else 16 for row in rows],
            "params": [24_576 if row % 2 else 6_144 for row in rows],
            "compute": [1e10 * 2 ** (row // 2) for row in rows],
            "examples": [10_000 * (row + 1) for row in rows],
            "depth": 2,
            "seq_len": 64,
            "lr": 1e-3,
            "batch_size": 32,
            "seed": 0,
            "loss": [0.45 + 0.3 / (1 + row // 2) + 0.01 * (row % 2) for row in rows],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("states")
    table().to_csv(folder / "runs.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def address(folder: Path, serve: Any) -> Iterator[str]:
    with serve(*DASHBOARD, "--port", "0", folder=folder) as served:
        yield served.url


def drawn(runs: int, of: int = RUNS) -> str:
    """What the status says of a figure."""
    return f"^{runs} of {of} runs in the figure"


def test_no_run_left_says_what_to_do(
    visit: Visit, settled: Visit, address: str, serious: Callable[[Page], list[str]]
) -> None:
    page = settled(visit(address), drawn(RUNS))
    page.locator("#architectures").get_by_label("astro").click()
    settled(page, drawn(0), fit="")
    expect(page.locator("#empty")).to_contain_text("No run passes the filters.")
    expect(page.locator("#verdict")).to_have_text("Nothing to fit: no run is shown.")
    expect(page.get_by_role("button", name="Data (CSV)")).to_be_hidden()
    expect(page.locator("#figure")).to_be_hidden()
    assert serious(page) == []
    page.get_by_role("button", name="Show all runs").click()
    settled(page, drawn(RUNS), "fit is up to date")
    expect(page.locator("#figure .main-svg").first).to_be_visible()
    page.locator("#sweeps").get_by_label("runs").click()
    expect(page.locator("#status")).to_have_text("No sweep is chosen.")
    expect(page.locator("#empty")).to_contain_text("Choose a sweep on the left.")


def test_a_range_filters_and_nonsense_in_it_is_told(
    visit: Visit, settled: Visit, address: str
) -> None:
    page = settled(visit(address), drawn(RUNS))
    page.locator("#filters summary", has_text="examples").click()
    lowest = page.get_by_label("lowest examples")
    lowest.fill("100000")
    lowest.press("Enter")
    settled(page, drawn(5))
    expect(page).to_have_url(re.compile(r"f\.examples=100000\.\."))
    lowest.fill("many")
    lowest.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="'many..' is no range")).to_be_visible()
    settled(page, drawn(RUNS))
    page.get_by_role("button", name="Show all runs").click()
    expect(page.locator("#error")).to_be_empty()
    expect(lowest).to_have_value("")


def test_groups_hover_and_the_figures_buttons(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address), drawn(RUNS))
    expect(page.locator("#figure .legend")).not_to_contain_text("narrow")
    page.select_option("#group", "variant")
    expect(page).to_have_url(re.compile("by=variant"))
    expect(page.locator("#figure .legend")).to_contain_text("astro(narrow)")
    settled(page)
    point = page.locator("#figure .scatterlayer .point").last.bounding_box()
    assert point is not None
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    hover = page.locator("#figure .hoverlayer")
    for words in (r"depth 2, width (16|32), seq len 64, params", "lr 0.001, batch size 32"):
        expect(hover).to_contain_text(re.compile(words))
    buttons = page.locator("#figure .modebar-btn").evaluate_all(
        "all => all.map(one => one.dataset.title)"
    )
    assert "Reset axes" in buttons
    assert not any("share" in one.lower() or "cloud" in one.lower() for one in buttons)


def test_a_zoom_stays_while_the_axes_mean_the_same(
    visit: Visit, settled: Visit, address: str
) -> None:
    page = settled(visit(address, color_scheme="light"), fit="fit is up to date")
    shown = "document.querySelector('#figure .js-plotly-plot')._fullLayout.xaxis.range"
    whole = page.evaluate(shown)
    box = page.locator("#figure .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 150, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 350, box["y"] + 250, steps=10)
    page.mouse.up()
    page.wait_for_function(f"whole => {shown}[0] > whole[0] && {shown}[1] < whole[1]", arg=whole)
    part = page.evaluate(shown)
    ink = shown.replace("xaxis.range", "font.color")
    light = page.evaluate(ink)
    page.click("#theme")
    page.wait_for_function(f"light => {ink} !== light", arg=light)
    assert settled(page).evaluate(shown) == part
    page.select_option("#cost", "params")
    page.wait_for_function(f"part => {shown}[1] < part[0]", arg=part)
    settled(page)
    page.select_option("#cost", "compute")
    page.wait_for_function(f"whole => {shown}.every((end, k) => end === whole[k])", arg=whole)


def test_the_way_back_leads_out_of_the_page(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address), drawn(RUNS))
    expect(page).to_have_url(re.compile("sweeps=runs"))
    page.select_option("#figure-kind", "width")
    expect(page).to_have_url(re.compile("figure=width"))
    settled(page).go_back()
    expect(page.locator("#figure-kind")).to_have_value("cost")
    expect(page).not_to_have_url(re.compile("figure=width"))
    settled(page).go_back()
    expect(page).to_have_url("about:blank")


def test_a_server_that_ends_is_told_until_it_is_back_and_new_rows_appear(
    new_page: Callable[[], Page], settled: Visit, folder: Path, serve: Any
) -> None:
    page = new_page()
    with serve(*DASHBOARD, "--port", "0", folder=folder) as served:
        page.goto(served.url)
        settled(page, drawn(RUNS), "fit is up to date")
        port = str(urlsplit(served.url).port)
    expect(page.locator("#lost")).to_contain_text("Start it again with the same --port")
    expect(page.locator("#lost")).to_have_attribute("role", "alert")
    with serve(*DASHBOARD, "--port", port, folder=folder):
        expect(page.locator("#lost")).to_be_empty()
        page.select_option("#figure-kind", "width")
        expect(page.locator("#figure-title")).to_contain_text("width")
        settled(page)
        more = table().assign(run_id=[f"more-{row}" for row in range(RUNS)], seed=1)
        pd.concat([table(), more]).to_csv(folder / "runs.csv", index=False)
        settled(page, drawn(2 * RUNS, 2 * RUNS), fit="")
    page.context.close()
