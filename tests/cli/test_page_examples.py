"""The Python examples of the pages run, and print what stands below them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from .conftest import Climber
from .pages import PAGES, ROOT, commands, python_examples
from .pages import climber as words_of

DOCS = ROOT / "docs"

ELSEWHERE = {
    "CONTRIBUTING.md": "tests/test_contributing.py",
    "docs/serving.md": "tests/serving/test_serve_command.py",
    "docs/serving-engine.md": "tests/models/test_turbo.py",
    "docs/sweeps.md": "tests/sweeps/test_docs.py",
}
"""Pages whose examples need what another test has."""


def test_every_page_with_examples_has_a_test_that_runs_them() -> None:
    shown = {path.relative_to(ROOT).as_posix() for path in PAGES if python_examples(path)}
    here = set(re.findall(r"python_examples\(DOCS / \"(.+)\"\)", Path(__file__).read_text()))
    assert shown == {f"docs/{page}" for page in here} | set(ELSEWHERE)
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text()


def test_the_worked_example_of_flops() -> None:
    page = (DOCS / "flops.md").read_text()
    (source,) = python_examples(DOCS / "flops.md")
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(source, "docs/flops.md", "exec"), {})
    assert textwrap.indent(printed.getvalue(), "    ").rstrip() in page
    counts = {
        name: float(number.replace(",", ""))
        for name, number in (line.rsplit(maxsplit=1) for line in printed.getvalue().splitlines())
    }
    # The table's terms, such as "524,288 + 262,144" or "2 × 98,304", make the printed counts.
    for name, terms in re.findall(r"^\| `([a-z.]+)` \|.*\| ([^|]+) \|$", page, re.MULTILINE):
        made = eval(terms.replace(",", "").replace("×", "*"))
        assert made == counts[name], name
    training = 3 * counts["total"]
    assert f"= {training:,.0f} FLOPs, {training / 12:,.0f} for each" in page


def test_what_is_known_of_the_synthetic_world(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = python_examples(DOCS / "synthetic.md")
    for source in (first, second):
        assert "SyntheticConfig()" in source
        small = source.replace("SyntheticConfig()", "SyntheticConfig.tiny()")
        exec(compile(small, "docs/synthetic.md", "exec"), {})
    truth, of_views, floor = (eval(line) for line in capsys.readouterr().out.splitlines())
    assert {"loss_floor", "loss_floor_expected", "auc_ceiling", "loss_floor.finish"} <= set(truth)
    assert of_views["loss_floor_at"] >= truth["loss_floor"]
    assert floor["loss_floor_at"] >= truth["loss_floor"]


def test_the_best_size_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "architecture": "astro",
            "budget": budget,
            "compute": budget,
            "params": size,
            "examples": budget / (6 * size),
            "seq_len": length,
            "loss": 0.3 + np.log(size / budget**0.5) ** 2 / 50 + np.log(length / 64) ** 2 / 50,
        }
        for budget in (1e13, 1e14, 1e15)
        for size in budget**0.5 * 2.0 ** np.arange(-2, 3)
        for length in (16, 32, 64, 128, 256)
    ]
    pd.DataFrame(rows).to_csv("runs.csv", index=False)
    printed = StringIO()
    (source,) = python_examples(DOCS / "isoflop.md")
    with redirect_stdout(printed):
        exec(compile(source, "docs/isoflop.md", "exec"), {})
    assert "Best(value=64" in printed.getvalue()


@pytest.mark.slow
def test_your_own_data_from_the_file_to_the_table(
    climber: Climber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, sweep = python_examples(DOCS / "your-own-data.md")
    exec(compile(make, "docs/your-own-data.md", "exec"), {})
    Path("my_data.py").write_text(sweep)
    run_all("docs/your-own-data.md", climber)
    assert Path("runs.csv").read_text().count("\n") == 1 + 2 * 2 * 3


@pytest.mark.slow
def test_your_own_model_from_the_file_to_the_report(
    climber: Climber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    models = [one for one in python_examples(ROOT / "CONTRIBUTING.md") if "register(MODELS" in one]
    (model,), (sweep,) = models, python_examples(DOCS / "your-own-model.md")
    quick = {
        "widths: tuple[int, ...] = (16, 24, 32)": "widths: tuple[int, ...] = (8, 16)",
        "(4e9, 9.7e9, 2.3e10, 5.4e10)": "(6e8, 9e8, 1.3e9, 2e9)",
        "seeds: tuple[int, ...] = (0, 1, 2)": "seeds: tuple[int, ...] = (0,)",
        "SyntheticConfig()": "SyntheticConfig.tiny()",
    }
    for long, short in quick.items():
        assert long in sweep
        sweep = sweep.replace(long, short)
    Path("my_model.py").write_text(model + sweep)
    run_all("docs/your-own-model.md", climber)
    (contract,) = (one for one in commands() if "pytest" in one.words)
    assert contract.page == "docs/your-own-model.md"
    assert contract.words[:2] == ("PYTHONPATH=FOLDER", ".venv/bin/python")
    done = subprocess.run(
        [sys.executable, *contract.words[2:], "-m", "not slow", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 20
    assert "deepset" in Path("report.html").read_text()


@pytest.mark.slow
@pytest.mark.shared
def test_refitting_a_public_table(
    climber: Climber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    source = shared / "scaling-data" / "besiroglu2024" / "svg_extracted_data.csv"
    Path("svg_extracted_data.csv").write_bytes(source.read_bytes())
    namespace: dict[str, object] = {}
    page = (DOCS / "refit-a-public-table.md").read_text()
    for example in python_examples(DOCS / "refit-a-public-table.md"):
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(example, "docs/refit-a-public-table.md", "exec"), namespace)
        assert textwrap.indent(printed.getvalue(), "    ").rstrip() in page
    run_all("docs/refit-a-public-table.md", climber)
    assert Path("next.json").exists()


def run_all(page: str, climber: Climber) -> None:
    """Runs the commands of a page's blocks, from top to bottom."""
    here = (words_of(one) for one in commands() if one.page == page and not one.inline)
    chosen = [words for words in here if words is not None]
    assert len(chosen) > 1
    for words in chosen:
        climber(*words)
