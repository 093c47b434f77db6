"""`climber bench report`: how long a report of many runs takes, and how large it is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

SIZES, LENGTHS, SEEDS = 6, (64, 128), (0, 1)
LAWS = {"astro": (0.45, 5.0, 16.0), "transformer": (0.45, 5.5, 20.0)}
ALPHA, BETA = 0.34, 0.3
"""E, A and B, and the exponents, of L = E + A N^-alpha + B D^-beta (1 + 0.02 log2(128/n))."""
NOISE = 0.002


def study(runs: int) -> pd.DataFrame:
    """A run table of two architectures that obey known laws; about so many rows, from as many
    budgets as that takes."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    count = max(3, round(runs / (len(LAWS) * SIZES * len(LENGTHS) * len(SEEDS))))
    rows: list[dict[str, Any]] = []
    for name, (floor, by_size, by_data) in LAWS.items():
        for budget in np.geomspace(1e11, 1e14, count):
            # Of 6 N D = C: every valley has sizes on both sides of its lowest point.
            best = (ALPHA * by_size / (BETA * by_data)) ** (1 / (ALPHA + BETA)) * (budget / 6) ** (
                BETA / (ALPHA + BETA)
            )
            for size in best * 2.0 ** np.linspace(-2.5, 2.5, SIZES):
                width = max(4, round(float(np.sqrt(size / 48))))
                for length in LENGTHS:
                    params = 48.0 * width**2
                    examples = budget / (6 * params)
                    mean = (
                        floor
                        + by_size * params**-ALPHA
                        + by_data * examples**-BETA * (1 + 0.02 * np.log2(128 / length))
                    )
                    for seed in SEEDS:
                        loss = mean * np.exp(NOISE * rng.normal())
                        rows.append(
                            {
                                "architecture": name, "depth": 4, "width": width, "seq_len": length,
                                "blocks": 1, "params": params, "examples": round(examples),
                                "budget": budget, "compute": 6 * params * round(examples),
                                "seed": seed, "dataset": "made up", "lr": 1e-3, "status": "finished",
                                "configuration": f"{name}-{width}-{length}-{budget:.3g}",
                                "run_id": f"r{len(rows):05d}", "loss": loss, "auc": 1.2 - loss,
                                "validation_loss": loss * np.exp(NOISE / 4 * rng.normal()),
                                "train_seconds": budget / 2e10,
                            }
                        )  # fmt: skip
    return pd.DataFrame(rows)


def report(runs: int, times: int) -> dict[str, Any]:
    """Seconds and processor seconds of `climber report --runs` in fresh processes, and the page."""
    from scaling.cli.output import print_table
    from scaling.runs import write_runs

    table = study(runs)
    taken = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_runs(table, folder / "runs.csv")
        command = [
            sys.executable, "-m", "scaling.cli", "report", "--runs", "runs.csv", "-o", "r.html"
        ]  # fmt: skip
        for _ in range(times):
            before, begin = os.times(), time.perf_counter()
            ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if ran.returncode:
                raise click.ClickException(f"climber report failed: {ran.stderr.strip()[-500:]}")
            seconds, after = time.perf_counter() - begin, os.times()
            used = (after.children_user - before.children_user) + (
                after.children_system - before.children_system
            )
            taken.append((seconds, used))
        page = (folder / "r.html").stat().st_size
    seconds, used = sorted(taken)[len(taken) // 2]
    print_table(
        "a report in a fresh process (the median of the runs of the command)",
        ("runs in the table", "seconds", "of processors", "cores in use", "page"),
        [(f"{len(table):,}", f"{seconds:.1f}", f"{used:.1f}", f"{used / seconds:.2f}",
          f"{page / 1e6:.2f} MB")],
    )  # fmt: skip
    return {
        "runs": len(table), "seconds": [one for one, _ in taken],
        "processor_seconds": [one for _, one in taken], "page_bytes": page,
    }  # fmt: skip
