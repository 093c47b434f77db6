"""The explorer in a real browser: every control, its address, downloads, run details, errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]
DASHBOARD = ("scaling.cli", "dashboard", "--runs", "runs.csv", "--port", "0")
MANY = tuple(f"model-{place}" for place in range(8))
"""So many architectures that a fit takes seconds, and can be stopped."""


def table(names: Sequence[str] = ("astro", "transformer")) -> pd.DataFrame:
    """Losses 0.45 + A C^-0.2 of architectures, at five budgets, three widths and two seeds."""
    rows: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        for budget in (3e11, 7e11, 1.6e12, 3.7e12, 1e13):
            for size, width in enumerate((16, 32, 64)):
                for seed in (0, 1):
                    off = 1 + 1e-3 * ((7 * len(rows)) % 5 - 2) / 2
                    loss = (0.45 + (26 + 4 * place) * budget**-0.2) * off
                    rows.append(
                        {
                            "run_id": f"run-{len(rows)}", "architecture": name, "width": width,
                            "params": 24 * width**2, "depth": 2, "seq_len": 64, "blocks": 1,
                            "budget": budget, "compute": budget, "seed": seed, "loss_floor": 0.45,
                            "loss": loss * (1 + 0.01 * (size - 1) ** 2), "status": "finished",
                            "examples": round(budget / width**2 / 7200), "reason": "",
                            "validation_loss": loss * (1 + 0.01 * (size - 1) ** 2) * 1.001,
                            "compute_causal": budget * 0.9, "lr": 1e-3, "dataset": "synthetic",
                            "configuration": f"{name}-{width}-{budget:.3g}",
                        }
                    )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, serve: Any) -> Iterator[str]:
    """Of an explorer of 60 runs in a file."""
    folder = tmp_path_factory.mktemp("explorer")
    table().to_csv(folder / "runs.csv", index=False)
    with serve(*DASHBOARD, folder=folder) as served:
        yield served.url


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def opened(page: Page, name: str) -> None:
    """Open the part of the filters for an axis."""
    part = page.locator("#filters details", has=page.locator("summary", has_text=name))
    if part.get_attribute("open") is None:
        part.locator("summary").click()


@pytest.mark.parametrize(
    ("control", "value", "key"),
    [
        ("metric", "validation_loss", "metric"),
        ("cost", "params", "cost"),
        ("counting", "compute_causal", "counting"),
        ("figure-kind", "multiplier", "figure"),
        ("figure-kind", "width", "figure"),
    ],
)
def test_a_choice_changes_the_figure_and_the_address(
    visit: Visit, settled: Visit, address: str, control: str, value: str, key: str
) -> None:
    page = settled(visit(address))
    before = page.locator("#figure").inner_html()
    page.select_option(f"#{control}", value)
    expect(page).to_have_url(re.compile(f"[?&]{key}={value}"))
    settled(page)
    assert page.locator("#figure").inner_html() != before
    again = settled(visit(page.url))
    expect(again.locator(f"#{control}")).to_have_value(value)
    expect(again.locator("#figure-title")).to_have_text(page.locator("#figure-title").inner_text())


def test_another_law_is_fitted(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address))
    laws = page.locator("#law option").evaluate_all("all => all.map(one => one.value)")
    now = page.locator("#law").input_value()
    other = next(law for law in laws if law != now)
    before = page.locator("#verdict").inner_text()
    page.select_option("#law", other)
    expect(page).to_have_url(re.compile(f"[?&]law={other}"))
    settled(page)
    expect(page.locator("#verdict")).not_to_have_text(before)


def test_architectures_and_filters(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address), "60 of 60 runs")
    page.locator("#architectures").get_by_label("astro").click()
    settled(page, "30 of 60 runs")
    assert asked(page)["architectures"] == ["transformer"]
    opened(page, "width")
    page.locator("#filters details[open]").get_by_label("16", exact=True).click()
    settled(page, "20 of 60 runs")
    assert asked(page)["f.width"] == ["32", "64"]
    again = settled(visit(page.url), "20 of 60 runs")
    expect(again.locator("#architectures").get_by_label("astro")).not_to_be_checked()
    again.get_by_role("button", name="Show all runs").click()
    settled(again, "60 of 60 runs")
    assert asked(again) == {} or set(asked(again)) == {"sweeps"}


def test_the_browsers_way_back_undoes(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address))
    page.select_option("#cost", "params")
    expect(page).to_have_url(re.compile("cost=params"))
    settled(page)
    page.go_back()
    expect(page.locator("#cost")).not_to_have_value("params")


def test_data_is_what_is_drawn(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address))
    with page.expect_download() as waiting:
        page.click("#download-data")
    found = pd.read_csv(waiting.value.path())
    assert waiting.value.suggested_filename.endswith(".csv")
    drawn = table()
    losses = pd.concat([found[name] for name in found.select_dtypes("number")]).dropna()
    for loss in drawn["loss"]:
        assert (losses - loss).abs().min() < 1e-6 * loss


@pytest.mark.parametrize(
    ("button", "start"),
    [
        ("download-figure", b"<svg"),
        ("download-png", b"\x89PNG"),
        ("download-print", b"<?xml"),
    ],
)
def test_pictures(visit: Visit, settled: Visit, address: str, button: str, start: bytes) -> None:
    page = settled(visit(address))
    with page.expect_download() as waiting:
        page.click(f"#{button}")
    assert Path(waiting.value.path()).read_bytes().startswith(start)


def test_a_run_is_chosen_by_list_or_by_click(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address))
    page.select_option("#run", "run-7")
    expect(page.locator("#run-details")).to_contain_text("run-7")
    settled(page)
    assert asked(page)["run"] == ["run-7"]
    mark = page.locator("#figure .scatterlayer .point").last.bounding_box()
    assert mark is not None
    middle = mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2
    page.mouse.click(*middle)
    expect(page).not_to_have_url(re.compile("run=run-7"))
    settled(page)
    clicked = asked(page)["run"]
    page.select_option("#run", "run-7")
    expect(page).to_have_url(re.compile("run=run-7"))
    settled(page)  # a second click within half a second is a double click, which zooms
    page.mouse.click(*middle)  # the same point once more
    expect(page).not_to_have_url(re.compile("run=run-7"))
    settled(page)
    assert asked(page)["run"] == clicked
    page.mouse.move(0, 0)
    page.mouse.move(*middle)
    hover = page.locator("#figure .hoverlayer")
    expect(hover.locator(".hovertext").first).to_be_visible()
    expect(hover).to_contain_text(re.compile("astro|transformer"))


def test_theme_changes_and_stays(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address, color_scheme="light"))
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.click("#theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#theme")).to_have_attribute("aria-pressed", "true")
    page.reload()
    settled(page)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    visit: Visit, settled: Visit, address: str, serious: Callable[[Page], list[str]], scheme: str
) -> None:
    page = settled(visit(address, color_scheme=scheme))
    opened(page, "width")
    page.select_option("#run", "run-7")
    expect(page.locator("#run-details")).to_contain_text("run-7")
    assert serious(settled(page)) == []


def test_by_keyboard_alone(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address))
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    wanted = {
        "theme", "figure-kind", "metric", "cost", "counting", "law", "group", "reset", "refit",
        "again", "download-figure", "download-png", "download-print", "download-data", "run",
    }  # fmt: skip
    assert wanted <= reached
    page.locator("#metric").focus()
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("metric="))


def test_boxes_and_buttons_by_keyboard(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address))
    box = page.locator("#architectures").get_by_label("astro")
    box.focus()
    page.keyboard.press("Space")
    expect(box).not_to_be_checked()
    settled(page, "30 of 60 runs")
    page.locator("#reset").focus()
    page.keyboard.press("Enter")
    settled(page, "60 of 60 runs")


def test_a_fit_says_how_far_it_is_is_cancelled_and_made_when_asked(
    visit: Visit, settled: Visit, serve: Any, tmp_path: Path
) -> None:
    table(MANY).to_csv(tmp_path / "runs.csv", index=False)
    with serve(*DASHBOARD, folder=tmp_path) as served:
        page = visit(served.url)
        expect(page.locator("#status")).to_contain_text("being fitted")
        expect(page.locator("#progress-words")).to_contain_text("...")
        page.click("#cancel")
        expect(page.locator("#working")).to_be_hidden()
        settled(page, fit="the fit was cancelled: Refit makes it")
        page.click("#refit")
        expect(page.locator("#working")).to_be_visible()
        expect(page.locator("#cancel")).to_be_enabled()
        settled(page)
        expect(page.locator("#cancel")).to_be_disabled()
        page.close()


@pytest.mark.parametrize("query", ["?sweeps=nothing", "?metric=nonsense", "?what=ever", "?f.x=1"])
def test_an_address_that_means_nothing_is_said(visit: Visit, address: str, query: str) -> None:
    page = visit(address + query)
    expect(page.locator("#error[role=alert]")).not_to_be_empty()
    expect(page.locator("#status")).not_to_have_text("Reading runs ...")


def test_narrow(visit: Visit, settled: Visit, address: str) -> None:
    page = settled(visit(address, viewport={"width": 390, "height": 844}))
    assert page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
