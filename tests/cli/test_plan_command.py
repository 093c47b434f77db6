"""`climber plan` with slots, a price and hours: what is cut and what is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from scaling.cli import main
from scaling.sweeps.axes_values import fill
from scaling.sweeps.base import Sweep
from scaling.sweeps.plan import Plan, make_plan
from scaling.sweeps.sources import load_sweep

TINY = f"{Path(__file__).with_name('my_sweeps.py')}:tiny"


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan of the sweep without limits; commands run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    source = load_sweep(TINY)
    assert not isinstance(source, Sweep)
    return make_plan(fill(source, {}), slots=3)


def planned(*options: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["plan", TINY, *options])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_slots_and_price_are_told(whole: Plan) -> None:
    shown = planned("--slots", "3", "--price", "2")
    assert f"{len(whole.trials)} trials: {len(whole.trials)} to do" in shown
    assert "on 3 slots, start-up included" in shown
    assert f"cost {whole.price(2.0):.2f} at 2 per hour and slot" in shown
    assert re.search(r"next: climber sweep \S+:tiny --slots 3$", shown)


def test_hours_cut_the_largest_budgets(whole: Plan) -> None:
    hours = f"{(whole.wall_seconds - 0.01) / 3600:.6f}"
    shown = planned("--slots", "3", "--max-hours", hours)
    largest = max(p.trial.budget for p in whole.trials)
    kept = [p for p in whole.trials if p.trial.budget < largest]
    assert f"leaves out the budgets {largest:.3g}" in shown
    assert f"{len(kept)} trials: {len(kept)} to do" in shown
    assert "--max-hours" in shown.split("next: ")[1]
    assert "--max-hours 1e-05 is too little" in planned("--max-hours", "1e-5", code=2)
