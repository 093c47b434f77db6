"""The explorer on a store of MLflow: while a real sweep runs, with hostile names, and when all fails."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]
Visit = Callable[..., Page]
SWEEPS = Path(__file__).parents[1] / "cli" / "my_sweeps.py"
RUNS, COPIED = 12, 3
STORE = ("--tracking-uri", "sqlite:///mlflow.db")
DASHBOARD = ("scaling.cli", "dashboard", *STORE, "--port", "0")
WATCH = """() => {
    window.said = [];
    const status = document.getElementById("status");
    new MutationObserver(() => window.said.push(status.textContent)).observe(
        status, {childList: true, characterData: true, subtree: true});
}"""


@dataclass(frozen=True)
class Live:
    """What a page showed while a sweep ran, and where the sweep is."""

    folder: Path
    said: list[str]


@pytest.fixture(scope="module")
def live(
    new_page: Callable[[], Page],
    settled: Visit,
    serve: Any,
    migrated: Path,
    copy_store: Callable[[Path, Path], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Live:
    """An explorer is opened on an empty store, a sweep is run into it, and nothing is clicked."""
    folder = tmp_path_factory.mktemp("live")
    shutil.copy(SWEEPS, folder)
    copy_store(migrated, folder / "mlflow.db")
    command = [sys.executable, "-m", "scaling.cli", "sweep", "my_sweeps.py:tiny", *STORE]
    page = new_page()
    with serve(*DASHBOARD, folder=folder) as served:
        page.goto(served.url)
        expect(page.locator("#empty")).to_contain_text("climber sweep quickstart")
        page.evaluate(WATCH)
        with (folder / "log").open("w") as log:
            sweep = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            tiny = page.locator("#sweeps").get_by_label("tiny")
            expect(tiny).to_be_checked(timeout=300_000)  # being the only one
            assert sweep.wait(900) == 0, (folder / "log").read_text()
            settled(page, f"{RUNS} of {RUNS} runs", "fit is up to date")
            # Of a page that was loaded anew, nothing would be left.
            said = page.evaluate("window.said")
        finally:
            sweep.kill()
            sweep.wait()
            page.context.close()
    return Live(folder, said)


@pytest.fixture
def folder(live: Live, copy_store: Callable[[Path, Path], None], tmp_path: Path) -> Path:
    """A folder with a store of its own, the sweep in it."""
    copy_store(live.folder / "mlflow.db", tmp_path / "mlflow.db")
    return tmp_path


def test_runs_appear_while_a_sweep_runs(live: Live) -> None:
    counts = [
        int(found.group(1))
        for text in live.said
        if (found := re.search(r"of (\d+) runs? in the figure", text))
    ]
    assert counts == sorted(counts)
    assert counts[-1] == RUNS
    assert 0 < counts[0] < RUNS


def test_hostile_names_in_mlflow_are_text(
    visit: Visit,
    settled: Visit,
    serve: Any,
    folder: Path,
    hostile: tuple[str, ...],
    executed: Callable[[Page], bool],
    serious: Callable[[Page], list[str]],
) -> None:
    """In the explorer and in a report of the same store."""
    from scaling.tracking_store import open_client

    client = open_client(f"sqlite:///{folder / 'mlflow.db'}")
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = [run for run in client.search_runs(experiments) if run.info.status == "FINISHED"]
    texts = ("reason", "split", "device", "architecture", "variant", "climber.architecture")
    for place, run in enumerate(runs):
        name = hostile[place % len(hostile)]
        client.set_tag(run.info.run_id, "mlflow.runName", name)
        client.set_tag(run.info.run_id, "mlflow.note.content", name * 80)
        for tag in {*run.data.tags} & {*texts}:
            client.set_tag(run.info.run_id, tag, name + "x" * 4_000)

    def layout_holds(page: Page) -> None:
        assert not executed(page)
        assert page.locator("main script, main img, main iframe").count() == 0
        page.wait_for_function(  # a figure follows a change of width a moment later
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )

    with serve(*DASHBOARD, "tiny", folder=folder) as served:
        page = settled(visit(served.url), f"of {RUNS} runs")
        expect(page.locator("#run option").nth(1)).to_be_attached()
        page.select_option("#run", index=1)
        expect(page.locator("#run-details dd").first).to_be_visible()
        layout_holds(settled(page))
        assert serious(page) == []
        page.set_viewport_size({"width": 390, "height": 844})
        layout_holds(page)
        page.close()
    subprocess.run(
        [sys.executable, "-m", "scaling.cli", "report", "tiny", *STORE, "-o", "report.html"],
        cwd=folder, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    layout_holds(visit((folder / "report.html").as_uri()))


def test_a_store_that_goes_away_is_said_until_it_is_back_and_what_was_read_stays(
    visit: Visit, settled: Visit, serve: Any, folder: Path
) -> None:
    with serve(*DASHBOARD, "tiny", folder=folder) as served:
        page = settled(visit(served.url), f"of {RUNS} runs")
        for part in folder.glob("mlflow.db*"):
            part.rename(folder / f"away-{part.name}")
        page.click("#again")
        expect(page.locator("#error")).to_contain_text("mlflow.db does not exist. Cure:")
        expect(page.locator("#error p")).to_have_count(1)
        expect(page.locator("#status")).to_contain_text(f"of {RUNS} runs")
        for part in folder.glob("away-*"):
            part.rename(folder / part.name.removeprefix("away-"))
        page.click("#again")
        expect(page.locator("#error")).to_be_empty()
        second(folder)
        page.click("#again")
        page.locator("#sweeps").get_by_label("second").check()
        settled(page, f"of {RUNS + COPIED} runs")
        expect(page).to_have_url(re.compile("sweeps=tiny&sweeps=second"))
        page.locator("#sweeps").get_by_label("tiny").uncheck()
        settled(page, f"of {COPIED} runs")
        page.close()


def second(folder: Path) -> None:
    """A second sweep in the store, with a part of the runs of the first."""
    from mlflow.entities import Metric, Param

    from scaling.tracking_store import open_client

    client = open_client(f"sqlite:///{folder / 'mlflow.db'}")
    tiny = client.get_experiment_by_name("tiny")
    number = client.create_experiment("second", tags=tiny.tags)
    trials = [
        run
        for run in client.search_runs([tiny.experiment_id])
        if "mlflow.parentRunId" in run.data.tags
    ]
    for run in trials[:COPIED]:
        tags = {name: text for name, text in run.data.tags.items() if name[:7] != "mlflow."}
        copy = client.create_run(number, tags=tags).info.run_id
        client.log_batch(
            copy,
            metrics=[Metric(name, value, 0, 0) for name, value in run.data.metrics.items()],
            params=[Param(name, value) for name, value in run.data.params.items()],
        )
        client.set_terminated(copy)


@pytest.fixture(scope="module")
def mlflow(live: Live, serve: Any) -> Iterator[str]:
    """MLflow's own page of the store."""
    with serve(
        "mlflow", "ui", "--backend-store-uri", "sqlite:///mlflow.db", "--port", "5987",
        "--workers", "1", folder=live.folder,
    ) as served:  # fmt: skip
        yield served.url


def test_a_click_on_a_point_leads_to_the_run_in_mlflow(
    visit: Visit, settled: Visit, serve: Any, live: Live, mlflow: str
) -> None:
    from scaling.tracking_store import open_client

    with serve(*DASHBOARD, "tiny", "--mlflow-url", mlflow, folder=live.folder) as served:
        page = settled(visit(served.url), fit="fit is up to date")
        mark = page.locator("#figure .scatterlayer .point").first.bounding_box()
        assert mark is not None
        page.mouse.click(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
        link = page.locator("#run-details a")
        expect(link).to_be_visible()
        address = link.get_attribute("href") or ""
        page.close()
    found = re.fullmatch(rf"{re.escape(mlflow)}#/experiments/(\d+)/runs/([0-9a-f]+)", address)
    assert found, address
    client = open_client(f"sqlite:///{live.folder / 'mlflow.db'}")
    assert client.get_run(found.group(2)).info.experiment_id == found.group(1)
