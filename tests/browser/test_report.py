"""The report in a real browser: what it shows, what it asks for, who can read it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from scaling.analysis.summary import analyse
from scaling.dashboards.report import write_report

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]
LONG = "long" * 250_000


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report on runs whose answer is clear, some of which failed."""
    runs = table()
    runs.loc[runs.index[:3], ["status", "reason", "loss"]] = ["failed", "out of memory", None]
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, runs, analyse(runs, bootstrap=50), command="climber report tiny -o r.html")
    return path.as_uri()


def table(names: tuple[str, ...] = ("astro", "transformer")) -> pd.DataFrame:
    """Losses 0.45 + A C^-0.2, another amplitude for each name, at five budgets and three sizes."""
    rows: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        for budget in (3e11, 7e11, 1.6e12, 3.7e12, 1e13):
            for size, params in enumerate((6e3, 2.4e4, 1e5)):
                for seed in (0, 1):
                    off = 1e-3 * ((7 * len(rows)) % 5 - 2) / 2
                    loss = (0.45 + (26 + 4 * place) * budget**-0.2) * (1 + off)
                    rows.append(
                        {
                            "architecture": name, "params": params, "budget": budget,
                            "compute": budget, "seed": seed, "loss_floor": 0.45, "depth": 2,
                            "loss": loss * (1 + 0.01 * (size - 1) ** 2), "status": "finished",
                            "configuration": f"{place}-{params:g}-{budget:.3g}", "reason": "",
                        }
                    )  # fmt: skip
    return pd.DataFrame(rows)


def wide(page: Page) -> bool:
    """Whether the page as a whole scrolls sideways."""
    return bool(
        page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    )


def test_title_and_verdict_come_first(visit: Visit, report: str) -> None:
    page = visit(report)
    first = page.locator("h1, h2, figure, table, .verdict")
    assert first.nth(0).evaluate("e => e.tagName") == "H1"
    assert "verdict" in (first.nth(1).get_attribute("class") or "")
    expect(page.locator(".verdict").first).to_be_in_viewport()
    expect(page.locator(".verdict").first).to_contain_text("astro")
    expect(page.locator("figure svg").first).to_be_visible()
    expect(page.locator("pre").last).to_have_text("climber report tiny -o r.html")


def test_every_entry_of_the_contents_leads_somewhere(visit: Visit, report: str) -> None:
    page = visit(report)
    links = page.get_by_role("navigation").get_by_role("link")
    assert links.count() >= 4
    for link in links.all():
        link.click()
        target = page.locator(f"[id='{(link.get_attribute('href') or '')[1:]}']")
        expect(target).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes(
    visit: Visit, report: str, serious: Callable[[Page], list[str]], scheme: str
) -> None:
    page = visit(report, color_scheme=scheme)
    red, green, blue = (
        int(part)
        for part in re.findall(
            r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")
        )[:3]
    )
    assert (red + green + blue > 600) == (scheme == "light")
    assert serious(page) == []


def test_prints(visit: Visit, report: str) -> None:
    page = visit(report, color_scheme="dark")
    before = shown(page)
    page.emulate_media(media="print")
    assert before <= shown(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    # At a sheet's width no table may be cut: paper does not scroll.
    page.set_viewport_size({"width": 700, "height": 990})
    assert not wide(page)
    paper = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) >= 2


def shown(page: Page) -> set[str]:
    """The texts that can be seen, but for the contents."""
    found = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, p, li, td, pre, figure')]"
        ".filter(e => e.checkVisibility() && !e.closest('nav')).map(e => e.textContent)"
    )
    return set(found)


def test_by_keyboard_alone(visit: Visit, report: str) -> None:
    page = visit(report, viewport={"width": 390, "height": 844})
    wanted = page.locator("a[href], [tabindex='0']").count()
    reached = set()
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "[...document.querySelectorAll(\"a[href], [tabindex='0']\")]"
                ".indexOf(document.activeElement)"
            )
        )
        if page.evaluate("document.activeElement !== document.body"):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
    assert set(range(wanted)) <= reached
    # What scrolls can be scrolled: each such region takes the focus.
    assert (
        page.evaluate(
            "[...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1"
            " && getComputedStyle(e).overflowX === 'auto' && e.tabIndex < 0).map(e => e.outerHTML"
            ".slice(0, 200))"
        )
        == []
    )


def test_narrow(visit: Visit, report: str) -> None:
    page = visit(report, viewport={"width": 390, "height": 844})
    assert not wide(page)
    expect(page.locator(".verdict").first).to_be_in_viewport()


def test_without_scripts_it_is_the_same(visit: Visit, report: str) -> None:
    page = visit(report, java_script_enabled=False)
    expect(page.locator(".verdict").first).to_be_visible()
    assert page.locator("figure svg").count() >= 1


@pytest.mark.parametrize("width", [390, 1280])
def test_hostile_names_are_text(
    visit: Visit,
    tmp_path: Path,
    hostile: tuple[str, ...],
    executed: Callable[[Page], bool],
    serious: Callable[[Page], list[str]],
    width: int,
) -> None:
    runs = table((*hostile[:3], LONG))
    failed = table(("astro",)).head(len(hostile)).assign(status="failed", loss=None)
    failed["reason"] = hostile
    failed["configuration"] = [f"failed-{place}" for place in range(len(hostile))]
    runs = pd.concat([runs, failed], ignore_index=True)
    path = tmp_path / "report.html"
    write_report(
        path, runs, analyse(runs, bootstrap=20), title=hostile[0], command=" ".join(hostile)
    )
    page = visit(path.as_uri(), viewport={"width": width, "height": 900})
    for name in hostile[:3]:
        expect(page.locator("table").first).to_contain_text(name[:20])
    assert page.locator("script, img, iframe, object, embed").count() == 0
    assert (
        page.evaluate(
            "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes])"
            ".filter(a => a.name.startsWith('on') || /^javascript/i.test(a.value)).map(a => a.value)"
        )
        == []
    )
    page.evaluate(
        "document.querySelectorAll('*').forEach(e => { e.dispatchEvent("
        "new MouseEvent('mouseover', {bubbles: true})); if (e.focus) e.focus(); })"
    )
    assert not executed(page)
    assert not wide(page)
    assert path.stat().st_size < 8e6
    assert serious(page) == []


def test_a_figure_is_drawn_with_its_own_pieces(visit: Visit, report: str) -> None:
    """Ids of several SVGs in one page must not meet: a clip or marker of another is none."""
    page = visit(report)
    assert (
        page.evaluate(
            "(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
            " return ids.filter((id, place) => ids.indexOf(id) !== place); })()"
        )
        == []
    )
    assert (
        page.evaluate(
            "[...document.querySelectorAll('use')].map(e => e.getAttribute('href')"
            " || e.getAttribute('xlink:href')).filter(h => !document.getElementById(h.slice(1)))"
        )
        == []
    )
    picture = page.locator("figure").first.screenshot()
    assert len(base64.b64encode(picture)) > 10_000
