"""The report names references for what they are, and draws learned temperatures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from scaling.analysis.summary import analyse
from scaling.dashboards.report import write_report
from scaling.diagnostics import temperature_name


def test_references_and_temperatures_stand_in_the_page(tmp_path: Path) -> None:
    compute = np.logspace(9, 11, 6)
    trained = pd.DataFrame(
        {
            "architecture": "astro", "role": "trained", "compute": compute,
            "loss": 0.45 + 30 * compute**-0.25, temperature_name("0-recent", "home"): 1.23,
        }
    )  # fmt: skip
    counted = pd.DataFrame(
        {"architecture": ["popularity", "oracle"], "role": "reference", "loss": [0.6, 0.4]}
    )
    runs = pd.DataFrame([*trained.to_dict("records"), *counted.to_dict("records")])
    page = write_report(tmp_path / "r.html", runs, analyse(runs, bootstrap=0)).read_text()
    assert '<h2 id="references">References</h2>' in page
    rows = page.replace("\n", "")
    assert "<td>popularity</td><td>0.6</td><td>none</td>" in rows
    assert "<td>oracle</td><td>0.4</td><td>astro</td>" in rows
    assert "<td>popularity (reference)</td><td>1</td>" in rows
    assert "<td>left out</td><td>0</td>" in rows
    assert 'aria-label="Learned temperatures by block and scenario"' in page
    plain = runs[runs["role"] == "trained"].drop(columns=temperature_name("0-recent", "home"))
    page = write_report(tmp_path / "p.html", plain, analyse(plain, bootstrap=0)).read_text()
    assert "References" not in page
    assert "temperatures" not in page
