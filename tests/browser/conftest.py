"""Chromium, a page that notices whatever goes wrong in it, and what the pages are made of."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Request

PATIENCE_MS = 60_000
"""Until a condition must hold; a busy machine takes seconds where an idle one takes tenths."""
INLINE = ("data", "blob", "about")
FITTED = "fit is up to date|no fit can be made"
WATCH = """(() => {
    const calm = window.calm = {asked: 0, since: 0};
    const now = () => { calm.since = performance.now(); };
    const ask = window.fetch;
    window.fetch = (...what) => {
        calm.asked += 1;
        now();
        return ask(...what).finally(() => { calm.asked -= 1; now(); });
    };
    new MutationObserver(now).observe(
        document, {subtree: true, childList: true, attributes: true, characterData: true});
    for (const kind of ["click", "change", "keydown", "popstate"]) addEventListener(kind, now, true);
})()"""
"""Put into every page before its own scripts: notes what is asked, and when anything changed."""
SETTLED = """said => {
    const figure = document.getElementById("figure"), plot = figure?.querySelector(".js-plotly-plot");
    return calm.asked === 0 && performance.now() - calm.since > 500
        && document.getElementById("working")?.hidden
        && (figure.style.display === "none" || plot?._fullLayout)
        && new RegExp(said).test(document.getElementById("status").textContent);
}"""
"""Nothing is asked, fitted or drawn any more: half a second is longer than any pause between these."""


def new_page_of(browser: Browser, **options: Any) -> Page:
    """A page in a context of its own, which says when it is settled."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(WATCH)
    return context.new_page()


@dataclass
class Watched:
    """Opens pages, and keeps whatever no page may do: `wrong` must be empty at the end of a test."""

    browser: Browser
    wrong: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(self, address: str, **options: Any) -> Page:
        """The page at an address, in a context of its own.

        Args:
            address: requests may go to its origin alone; of a file, to that file alone.
            options: of the context.
        """
        page = new_page_of(self.browser, **options)
        context = page.context
        self._contexts.append(context)
        context.on("request", lambda request: self._asked(request, address))
        page.on("dialog", lambda dialog: (self.wrong.append("a dialog"), dialog.dismiss()))
        page.on("popup", lambda other: self.wrong.append(f"a window: {other.url}"))
        page.on("console", lambda said: self._said(said.type, said.text))
        page.on("pageerror", lambda error: self._said("error", str(error)))
        page.goto(address)
        return page

    def close(self) -> list[str]:
        """What went wrong."""
        for context in self._contexts:
            context.close()
        return self.wrong

    def _asked(self, request: Request, address: str) -> None:
        asked, own = urlsplit(request.url), urlsplit(address)
        here = asked.path == own.path if own.scheme == "file" else asked.netloc == own.netloc
        if asked.scheme not in INLINE and not (asked.scheme == own.scheme and here):
            self.wrong.append(f"a request to {request.url}")

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.wrong.append(f"{kind}: {text}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; the tests are skipped without it."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs chromium (Debian: apt-get install chromium)")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        # Root, as in CI's containers, may not have chromium's sandbox.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Watched]:
    """Opens pages; fails the test on any console error, dialog, or request that leaves."""
    watched = Watched(browser)
    yield watched
    assert watched.close() == []


@pytest.fixture(scope="session")
def new_page(browser: Browser) -> Callable[[], Page]:
    """Opens a page in which errors are expected; the test closes it."""
    return lambda: new_page_of(browser)


@pytest.fixture(scope="session")
def settled() -> Callable[..., Page]:
    """Waits until an explorer has nothing more to ask, to fit or to draw; gives its page.

    What a page shows before that may change at any moment: text that was found need not be there
    when the next line looks, a point not where it was, and a figure may not be drawn yet although
    the status speaks of it.
    """
    from playwright.sync_api import expect

    def wait(page: Page, runs: str = "", fit: str = FITTED) -> Page:
        said = f"{runs}.*({fit})"  # by the status, in this order
        expect(page.locator("#status")).to_have_text(re.compile(said))  # says what it saw instead
        page.wait_for_function(SETTLED, arg=said)
        return page

    return wait


@pytest.fixture
def serious() -> Callable[[Page], list[str]]:
    """Violations of impact serious or critical that axe-core finds, in words."""
    from axe_playwright_python.sync_playwright import Axe

    def check(page: Page) -> list[str]:
        found = Axe().run(page).response
        assert found["passes"]  # it has looked at something
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes']][:5]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    return check


@pytest.fixture(scope="session")
def executed() -> Callable[[Page], bool]:
    """Whether a hostile name has set `window.executed`."""
    return lambda page: bool(page.evaluate("() => 'executed' in window"))


HOSTILE = (
    "<script>window.executed = 1</script>",
    "<img src=x onerror='window.executed = 1'>",
    '" autofocus onfocus="window.executed = 1" onmouseover="window.executed = 1',
    "</style></title></textarea><svg onload=window.executed=1>",
    "javascript:window.executed=1",
    "{{7*7}}${7*7}<b>bold</b>&lt;",
    "safe\u202etxet esrever",
)


@pytest.fixture(scope="session")
def hostile() -> tuple[str, ...]:
    """Names that try to be more than text."""
    return HOSTILE


@dataclass
class Served:
    """A server in a process of its own."""

    url: str
    process: subprocess.Popen[str]
    said: list[str]


Serve = Callable[..., "contextlib.AbstractContextManager[Served]"]


@contextlib.contextmanager
def serving(*command: str, folder: Path, pattern: str = r"http://127\.0\.0\.1:\d+/?") -> Any:
    """Starts `python -m COMMAND`, and gives the address that it says."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    address: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if not address and (found := re.search(pattern, line)):
                address.append(found.group())
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        ready.wait(120)
        assert address, f"{command} says no address:\n{''.join(said)}"
        yield Served(address[0].rstrip("/") + "/", process, said)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(30)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Starts a server for as long as the context lasts: `serve("scaling.cli", ..., folder=...)`."""
    return serving
