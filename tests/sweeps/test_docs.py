"""The example of docs/sweeps.md does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from scaling.sweeps.axes_values import fill
from scaling.sweeps.base import Sweep
from scaling.sweeps.plan import make_plan
from scaling.sweeps.sources import load_sweep

TEXT = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()


def test_the_example_is_planned_within_its_limits(tmp_path: Path, store: str) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    path = tmp_path / "my_sweeps.py"
    path.write_text(source)
    big = load_sweep(f"{path}:big")
    assert not isinstance(big, Sweep)
    sweep = fill(big, {"seeds": "0"})
    plan = make_plan(sweep, tracking_uri=store)
    assert {(p.trial.model.name, p.trial.model.width) for p in plan.trials} == {
        (name, width) for name in ("transformer", "astro") for width in (32, 64)
    }
    assert len(plan.left_out) == 2
    (quoted,) = re.findall(r"`(transformer [^`]* more than [^`]*)`", TEXT.replace("\n", " "))
    assert quoted in plan.left_out
