"""The report: self-contained, complete, and safe whatever the names are."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.figures import figures
from scaling.analysis.findings import Analysis
from scaling.analysis.summary import analyse
from scaling.dashboards.inline_svg import inline
from scaling.dashboards.report import write_report

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += " " + data


def table(names: tuple[str, str] = ("astro", "transformer")) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for name, amplitude in zip(names, (26.0, 30.0)):
        for budget in np.logspace(11.5, 13, 5):
            for params in (6e3, 2.4e4, 1e5):
                for seed in (0, 1):
                    loss = (0.45 + amplitude * budget**-0.2) * (1 + 1e-3 * rng.normal())
                    loss *= 1 + 0.01 * np.log(params / 2.4e4) ** 2
                    rows.append(
                        {
                            "architecture": name, "params": params, "budget": budget,
                            "compute": budget, "seed": seed, "loss": loss, "loss_floor": 0.45,
                            "configuration": f"{name}-{params:g}-{budget:.3g}",
                            "status": "finished", "reason": "",
                        }
                    )  # fmt: skip
    return pd.DataFrame(rows)


def written(
    path: Path, runs: pd.DataFrame, analysis: Analysis | None = None, **options: object
) -> Page:
    write_report(path, runs, analysis or analyse(runs, bootstrap=100), **options)  # type: ignore[arg-type]
    return Page(path.read_text(encoding="utf-8"))


def test_says_everything_it_should(tmp_path: Path) -> None:
    runs = table()
    runs.loc[3, ["status", "reason"]] = ["failed", "loss is NaN at step 40"]
    page = written(
        tmp_path / "report.html",
        runs,
        title="quickstart",
        command="climber report quickstart -o report.html",
        facts={"loss_floor_at": {"the last 64 events": 0.4601}, "git commit": "118a25c"},
    )
    text = re.sub(r"\s+", " ", page.text.replace("\u00a0", " "))
    for wanted in (
        "quickstart",
        "astro needs less compute for the same loss",
        "astro: interval of E",
        "fitted offset E",
        "known floor",
        "floor reading the last 64 events",
        "0.4601 (inside the interval)",
        "1 of 60 runs were left out",
        "failed: loss is NaN at step 40",
        "minimum of a parabola through each budget's valley",
        "Huber, delta 0.001",
        "100 times configurations were drawn",
        "climber report quickstart -o report.html",
        "118a25c",
        "Not drawn: loss vs seq len",
    ):
        assert wanted in text, wanted
    assert text.index("needs less compute") < text.index("Fitted laws")
    drawn, _ = figures(analyse(runs, bootstrap=100))
    assert page.tags.count("svg") == len(drawn) >= 3


def test_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = written(tmp_path / "report.html", table())
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "action", "data"):
            assert value.startswith("#"), (name, value)
    assert "http" not in source
    assert "@import" not in source
    assert re.findall(r"url\((?!#)", source) == []
    assert "prefers-color-scheme: dark" in source
    assert "@media print" in source


def test_ids_are_unique_and_references_resolve(tmp_path: Path) -> None:
    page = written(tmp_path / "report.html", table())
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    used = {value[1:] for name, value in page.attributes if name == "href"}
    used |= set(re.findall(r"url\(#([^)]+)\)", source))
    assert used
    assert used <= set(ids)


HOSTILE = '<script>alert("x")</script><img src=x onerror=y>'


def test_hostile_names_are_text(tmp_path: Path) -> None:
    runs = table((HOSTILE, "</style></title><b>"))
    runs.loc[3, ["status", "reason"]] = ["failed", HOSTILE]
    page = written(
        tmp_path / "report.html",
        runs,
        title=HOSTILE,
        command=f"climber report {HOSTILE}",
        facts={HOSTILE: HOSTILE, "loss_floor_at": {HOSTILE: 0.46}},
    )
    assert not {"script", "img"} & set(page.tags)
    assert page.tags.count("b") == 1  # the verdict's
    assert "onerror" not in [name for name, _ in page.attributes]
    assert page.text.count(HOSTILE) >= 6


def test_not_decided_and_nothing_compared_are_said(tmp_path: Path) -> None:
    runs = table()
    runs["loss"] = runs["loss"].sample(frac=1, random_state=0).to_numpy()
    page = written(tmp_path / "a.html", runs)
    assert "Not decided between transformer and astro" in page.text
    alone = written(tmp_path / "b.html", runs[runs["architecture"] == "astro"])
    assert "Nothing was compared" in alone.text
    one = runs[runs["budget"] == runs["budget"].min()]
    failed = written(tmp_path / "c.html", one)
    assert "1 row can't determine" in failed.text


def test_many_excluded_runs_are_counted(tmp_path: Path) -> None:
    runs = table()
    many = pd.concat([runs, runs.iloc[[0] * 300].assign(status="failed")], ignore_index=True)
    page = written(tmp_path / "report.html", many)
    assert "300 of 360 runs were left out; the first 200 are listed" in page.text


def test_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = table()
    path = tmp_path / "report.html"
    analysis = analyse(runs, bootstrap=0)
    drawn, skipped = figures(analysis)
    assert write_report(path, runs, analysis, figures=drawn[:1], skipped=skipped) == path
    before = path.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_report(path, runs, analysis, figures=[])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_inline_svg_keeps_the_element_alone() -> None:
    document = (
        '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "x" "http://a"><svg xmlns="http://b" '
        'xmlns:xlink="http://c"><metadata>http://d</metadata><!-- <script> --><g id="g1"/>'
        '<use xlink:href="#g1" clip-path="url(#g1)"/></svg>'
    )
    assert inline(document, prefix="p", label='a "b"') == (
        '<svg role="img" aria-label="a &quot;b&quot;"><g id="p-g1"/>'
        '<use href="#p-g1" clip-path="url(#p-g1)"/></svg>'
    )


def test_long_and_turning_names_are_cut_and_shown(tmp_path: Path) -> None:
    long, turning = "x" * 1_000_000, "abc\u202edef\x1b[31m"
    runs = table((long, turning))
    runs.loc[3, ["status", "reason"]] = ["failed", long]
    page = written(tmp_path / "report.html", runs, title=long, facts={turning: long})
    assert (tmp_path / "report.html").stat().st_size < 4_000_000
    assert "\u202e" not in page.text
    assert "\x1b" not in page.text
    assert "abc\ufffddef\ufffd[31m" in page.text
    assert "xxx…xxx" in page.text


def test_the_checklist_says_what_was_recorded_and_what_was_not(tmp_path: Path) -> None:
    runs = table().assign(lr=0.0025, dataset="synthetic", precision="fp32")
    page = written(tmp_path / "report.html", runs)
    text = re.sub(r"\s+", " ", page.text)
    for wanted in (
        "data synthetic",
        "learning rates 0.0025",
        "batch size, requests not recorded",
        "precision, device fp32; not recorded",
        "training compute C, FLOPs 3.16e11 to 1e13 (1.5 decades)",
        "seeds of a configuration 2",
        "stopped before their budget was spent none",
    ):
        assert wanted in text, wanted
