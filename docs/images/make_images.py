"""The pictures of the documentation, made again from finished sweeps.

    python docs/images/make_images.py FOLDER

FOLDER holds the store, `mlflow.db`, with the sweep `quickstart` (`make demo` leaves one) and, for its
figure, `learning-rates`. The report and the plots are made first, as a user makes them. Pictures of
pages need chromium and playwright.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from PIL import Image

HERE = Path(__file__).parent
COLOURS = 128
"""Of a picture: what is drawn has few, and a quarter of the bytes suffices."""
MLFLOW = "http://127.0.0.1:5017"
SETTINGS = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
}
"""Of MLflow's page: model training instead of its other half, nothing beside the table."""
COLUMNS = {
    "selectedColumns": [
        *(f"metrics.`{name}`" for name in ("loss", "validation_loss", "compute")),
        *(f"params.`{name}`" for name in ("model.width", "training.lr", "seed")),
        "tags.`climber.architecture`",
    ],
    "orderByKey": "metrics.`loss`",
    "orderByAsc": True,
}
"""What docs/mlflow.md recommends, as MLflow keeps it in the browser."""
HIDE_FOLDER = """folder => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text; (text = texts.nextNode()); )
        text.data = text.data.replaceAll(folder, '/srv/study');
}"""
"""A reader has another one."""


def climber(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "scaling.cli", *words], cwd=folder, check=True)


def keep(picture: Image.Image, name: str) -> None:
    path = HERE / f"{name}.png"
    picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(f"wrote {path} ({path.stat().st_size / 1000:.0f} kB)")


def plots(folder: Path) -> None:
    """The two figures that a page shows as they are."""
    with tempfile.TemporaryDirectory() as made:
        climber(folder, "plot", "quickstart", "-o", made)
        keep(Image.open(Path(made) / "loss_vs_compute.png"), "quickstart")
    with tempfile.TemporaryDirectory() as made:
        try:
            climber(folder, "plot", "learning-rates", "-o", made)
        except subprocess.CalledProcessError:
            print("learning-rates.png stays as it is: the store has no such sweep")
        else:
            keep(Image.open(Path(made) / "loss_vs_lr.png"), "learning-rates")


@contextmanager
def served(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A server, for as long as it is needed."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", *words], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wait_for(address: str, process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=10).close()
        except (URLError, TimeoutError):
            continue
        return
    raise SystemExit(f"no server at {address}: it ended with {process.returncode}")


def pages(folder: Path) -> None:
    """MLflow's table of runs, unfolded and by columns, its learning curves and its view of the
    report, and the dashboard."""
    from mlflow import MlflowClient
    from playwright.sync_api import sync_playwright

    store = f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("quickstart")
    assert experiment is not None
    number = experiment.experiment_id
    # Trials name their parent; what has none and is no trial is the sweep's own run.
    runs = client.search_runs([number], max_results=1000)
    parent = next(run.info.run_id for run in runs if "mlflow.parentRunId" not in run.data.tags)
    mlflow = (
        "mlflow",
        "ui",
        "--backend-store-uri",
        store,
        "--port",
        MLFLOW.rsplit(":", 1)[1],
        "--workers",
        "1",
    )
    dashboard = ("scaling.cli", "dashboard", "quickstart", "--port", "0", "--tracking-uri", store)
    with sync_playwright() as play, served(folder, *mlflow) as process:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 760})
        wait_for(MLFLOW, process)

        def shoot(name: str) -> None:
            page.evaluate(HIDE_FOLDER, str(folder.resolve()))
            keep(Image.open(io.BytesIO(page.screenshot())), name)

        for key, value in SETTINGS.items():
            page.add_init_script(f"localStorage.setItem({key!r}, {value!r})")
        page.goto(f"{MLFLOW}/#/experiments/{number}/runs")
        row = page.get_by_role("row").filter(has_text="quickstart")
        row.locator("button, [role=button]").first.click(timeout=120_000)
        page.get_by_text("transformer d1").first.wait_for(timeout=60_000)
        page.wait_for_timeout(2000)
        shoot("mlflow-runs")
        page.goto(f"{MLFLOW}/#/experiments")  # a table that is open would keep its own columns
        page.reload()
        kept = f'MLflowLocalStorage-1.1-ExperimentPage-["{number}"]-ReactComponentState'
        page.evaluate("item => localStorage.setItem(...item)", [kept, json.dumps(COLUMNS)])
        page.goto(f"{MLFLOW}/#/experiments/{number}/runs")
        page.reload()
        page.get_by_text("Sort: loss").wait_for(timeout=60_000)
        page.get_by_text("transformer d1").first.wait_for(timeout=60_000)
        page.wait_for_timeout(3000)
        shoot("mlflow-columns")
        page.goto(f"{MLFLOW}/#/experiments/{number}/runs?compareRunsMode=CHART")
        page.get_by_placeholder("Search metric charts").fill("train_loss", timeout=60_000)
        page.get_by_text("train_loss", exact=True).first.wait_for(timeout=60_000)
        page.wait_for_timeout(4000)
        shoot("mlflow-curves")
        page.goto(f"{MLFLOW}/#/experiments/{number}/runs/{parent}/artifacts")
        page.get_by_text("analysis", exact=True).click(timeout=120_000)
        page.get_by_text("report.html", exact=True).first.click(timeout=120_000)
        page.wait_for_timeout(4000)
        shoot("mlflow-report")
        with served(folder, *dashboard) as shown:
            assert shown.stdout is not None
            found = (re.search(r"http://\S+?/", line) for line in shown.stdout)
            page.goto(next(match.group() for match in found if match))
            page.get_by_text("fit is up to date").wait_for(timeout=120_000)
            page.wait_for_timeout(1500)
            shoot("dashboard")
        browser.close()


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    climber(folder, "report", "quickstart", "-o", str(folder.resolve() / "report.html"))
    plots(folder)
    pages(folder)


if __name__ == "__main__":
    main()
