"""Measures both pages in Chromium: `python -m tests.browser.measure_pages [RUNS]`; a benchmark, no test."""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from scaling.cli.bench_report import study
from scaling.runs import write_runs
from tests.browser.conftest import serving

TIMES = 5
PAUSE = 0.005
"""Seconds between two looks at a page."""
DRAWN = "document.querySelectorAll('#figure .scatterlayer .trace, #figure canvas').length > 0"
LABEL = "((document.querySelector('#figure .{}title') || {{}}).textContent || '').toLowerCase()"
SETTLED = "/fit is up to date/.test((document.getElementById('status') || {}).textContent)"


def _opened(browser: Browser, address: str, ready: str) -> float:
    """Seconds until a condition holds in a page of a new profile, as a person opens it.

    Playwright's own pages are watched by a debugger, for which V8 reads all of plotly.js again three
    times: errors that it throws and catches while it loads get stack traces (.4 s). So the page is
    opened beside those, and asked nothing but the condition.
    """
    session = browser.new_browser_cdp_session()
    answers: dict[int, Any] = {}
    numbers = itertools.count()

    def answered(event: dict[str, str]) -> None:
        message = json.loads(event["message"])
        if "id" in message:
            answers[message["id"]] = message["result"]

    session.on("Target.receivedMessageFromTarget", answered)
    context = session.send("Target.createBrowserContext")["browserContextId"]
    blank = {"url": "about:blank", "browserContextId": context}
    target = session.send("Target.createTarget", blank)["targetId"]
    attached = session.send("Target.attachToTarget", {"targetId": target})["sessionId"]

    def ask(method: str, **params: Any) -> Any:
        number = next(numbers)
        text = json.dumps({"id": number, "method": method, "params": params})
        session.send("Target.sendMessageToTarget", {"sessionId": attached, "message": text})
        while number not in answers:
            session.send("Browser.getVersion")  # lets answers come in
        return answers[number]

    begin = time.perf_counter()
    ask("Page.navigate", url=address)
    while not ask("Runtime.evaluate", expression=ready)["result"].get("value"):
        time.sleep(PAUSE)
    seconds = time.perf_counter() - begin
    session.send("Target.disposeBrowserContext", {"browserContextId": context})
    session.detach()
    return seconds


def _changed(page: Page, act: Callable[[], object], done: str) -> float:
    begin = time.perf_counter()
    act()
    page.wait_for_function(done)
    return 1e3 * (time.perf_counter() - begin)


def _interaction(page: Page) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {"axis": [], "metric": [], "theme": []}
    for _ in range(TIMES):
        for control, values, axis, words in (
            ("cost", ("params", "compute"), "x", ("param", "flop")),
            ("metric", ("auc", "loss"), "y", ("auc", "loss")),
        ):
            for value, word in zip(values, words):
                done = f"{LABEL.format(axis)}.includes('{word}')"
                ms = _changed(page, lambda c=control, v=value: page.select_option(f"#{c}", v), done)  # type: ignore[misc]
                took["axis" if control == "cost" else "metric"].append(ms)
        dark = page.get_attribute("html", "data-theme") == "dark"
        done = f"document.documentElement.dataset.theme === '{'light' if dark else 'dark'}'"
        took["theme"].append(_changed(page, lambda: page.click("#theme"), done))
    return took


def main(runs: int) -> None:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("needs chromium (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_runs(study(runs), folder / "runs.csv")
        command = [sys.executable, "-m", "scaling.cli"]
        subprocess.run([*command, "report", "--runs", "runs.csv", "-o", "r.html"], cwd=folder,
                       check=True, capture_output=True)  # fmt: skip
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = (folder / "r.html").as_uri()
        report = [
            _opened(browser, page, "document.readyState === 'complete'") for _ in range(TIMES)
        ]
        print(f"report: opens in {statistics.median(report):.2f} s")
        with serving("scaling.cli", "dashboard", "--runs", "runs.csv", "--port", "0",
                     folder=folder) as served:  # fmt: skip
            first = [_opened(browser, served.url, DRAWN) for _ in range(TIMES)]
            shown = " ".join(f"{one:.2f}" for one in first)
            print(f"explorer, first figure: {statistics.median(first):.2f} s ({shown})")
            explorer = browser.new_page()
            explorer.goto(served.url)
            explorer.wait_for_function(SETTLED, timeout=120_000)
            for what, took in _interaction(explorer).items():
                print(f"explorer, change of {what}: {statistics.median(took):.0f} ms")
        browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
