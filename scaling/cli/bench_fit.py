"""`climber bench fit`: how long fits take, and whether their intervals cover."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.analysis.coverage import Score

ROWS = 240
"""As many as the published table that fitting tools are usually timed on (Besiroglu 2024)."""
DRAWS = 4000
GROWTH = (100, 1_000, 10_000, 100_000)


def speed() -> dict[str, Any]:
    """Times of a fit, of its intervals and of a bootstrap; growth of the fit with the rows."""
    import numpy as np

    from scaling.analysis import simulator
    from scaling.analysis.fitting import fit
    from scaling.analysis.law import law_of
    from scaling.analysis.uncertainty import RowSample, bootstrapped
    from scaling.cli.output import print_table

    law = law_of("chinchilla")

    def made(rows: int) -> Any:
        columns = simulator.spread(rows, 3.0)
        return simulator.table(law, columns, simulator.RECOMMENDER, noise=0.005)

    table = made(ROWS)
    found = fit(law, table)
    logs = np.log(table[list(law.variables)].to_numpy(dtype=np.float64))
    sample = RowSample(logs, np.log(table["loss"].to_numpy(dtype=np.float64)), np.arange(ROWS))
    line = {name: np.logspace(4, 9, 100) for name in law.variables}
    seconds = {
        "point fit, 24 starts": _median(lambda: fit(law, table), 7),
        "profile intervals of 5 parameters": _median(
            lambda: replace(found, _known={}).interval(), 3
        ),
        "band at 100 points": _median(lambda: found.band(line), 3),
        f"bootstrap, {DRAWS:,} draws": _median(lambda: bootstrapped(found, sample, draws=DRAWS), 1),
    }
    growth = {}
    for rows in GROWTH:
        larger = made(rows)
        growth[rows] = _median(lambda table=larger: fit(law, table), 3)  # type: ignore[misc]
    head = ("seconds", "of a processor")
    print_table(
        f"chinchilla's law, {ROWS} rows, Huber 1e-3, {_cores()} cores",
        ("what", *head),
        [(name, *map("{:.3f}".format, both)) for name, both in seconds.items()],
    )
    print_table(
        "growth of the point fit",
        ("rows", *head),
        [(f"{rows:,}", *map("{:.3f}".format, both)) for rows, both in growth.items()],
    )
    return {"seconds": seconds, "growth": growth, "cores": _cores()}


def coverage(simulations: int, corners: bool, huber_delta: float | None) -> dict[str, Any]:
    """Coverage and width of every method in every cell; the bootstrap in the corners alone."""
    from scaling.analysis.coverage import METHODS, cells
    from scaling.analysis.wrong_law import BENDS, flagged
    from scaling.cli.output import print_table

    begin = time.perf_counter()
    jobs = []
    for cell in cells(corners=corners):
        counts = {"delta": simulations, "profile": max(simulations // 4, 1)}
        if cell in cells(corners=True):
            counts["bootstrap"] = max(simulations // 4, 1)
        jobs.append((cell, counts, huber_delta))
    scores = sorted(
        itertools.chain.from_iterable(_spread(_measure, jobs)),
        key=lambda s: (s.cell.noise, s.cell.design.decades, s.cell.design.runs, s.quantity),
    )
    wrong = list(_spread(flagged, [(bend, max(simulations // 40, 1)) for bend in BENDS]))
    print_table(
        "95 % intervals: covered (in thousandths), median width in units of the oracle's, open ends; "
        "! misses the figure",
        ("noise", "range", "runs", "quantity", "oracle", *METHODS),
        [_row(list(same)) for _, same in itertools.groupby(scores, lambda s: (s.cell, s.quantity))],
        words=5,
    )
    print_table(
        f"exponent of N {BENDS[0]} up to a break, another beyond it that the fitted law hasn't",
        ("beyond the break", "n", "loss at 10x covered", "its median error", "hold-out says so"),
        [
            (f"{found.bend:g}", found.simulations, f"{found.covered:.2f}", f"{found.error:+.2%}",
             f"{found.flagged:.0%}")
            for found in wrong
        ],
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    described = [_described(score) for score in scores]
    return {
        "objective": "squares" if huber_delta is None else f"huber {huber_delta:g}",
        "seconds": seconds,
        "cells": described,
        "wrong_law": [vars(found) for found in wrong],
        "failures": [
            f"{cell['quantity']} at noise {cell['noise']:.1%}, {cell['decades']:g} decades, "
            f"{cell['runs']} runs: covered {cell['covered']:.3f}, width {cell['width']:.2f}"
            for cell in described
            if cell["method"] == "profile" and not (cell["covers"] and cell["narrow"])
        ],
    }


def comparisons(simulations: int) -> dict[str, Any]:
    """Coverage of multiplier and crossing in simulated studies of two architectures."""
    from scaling.analysis.compare_coverage import CELLS, WANTED, WIDEST
    from scaling.cli.output import print_table

    begin = time.perf_counter()
    jobs = [(cell, simulations, number) for number, cell in enumerate(CELLS)]
    rows = list(_spread(_compared, jobs))
    print_table(
        f"95 % intervals of two architectures' multiplier and crossing, {simulations} simulations: "
        "covered (in thousandths), width in units of the oracle's; ! misses the figure",
        ("pair", "noise", "sizes", "seeds", "smallest", "middle", "largest", "deciding", "crossing",
         "open", "decided", "wrongly", "width"),
        [
            (
                row.cell.words(), f"{row.cell.noise:.1%}", "{}, {}".format(*row.cell.sizes),
                str(row.cell.seeds),
                *(f"{1e3 * s:.0f}{'' if row.reaches(s, WANTED) else '!'}" for s in row.shares),
                f"{row.crossing_open:.0%}", f"{row.decided:.0%}", f"{row.decided_wrongly:.0%}",
                f"{row.width:.2f}{'' if row.width <= WIDEST else '!'}",
            )
            for row in rows
        ],
        words=1,
    )  # fmt: skip
    return {
        "seconds": time.perf_counter() - begin,
        "cells": [row.to_dict() for row in rows],
        "failures": [
            f"{row.cell.words()} at noise {row.cell.noise:.1%}, sizes {row.cell.sizes}: covered "
            f"{row.least:.3f}, width {row.width:.2f}"
            for row in rows
            if not row.reaches(row.least, WANTED) or row.width > WIDEST
        ],
    }


def _compared(cell: Any, simulations: int, seed: int) -> Any:
    from scaling.analysis.compare_coverage import compare_coverage

    (row,) = compare_coverage([cell], simulations=simulations, seed=seed)
    return row


def _measure(cell: Any, counts: dict[Any, int], huber_delta: float | None) -> list[Score]:
    from scaling.analysis.coverage import Plan, measure
    from scaling.analysis.solver import Loss

    return measure(cell, Plan(counts, Loss(huber_delta or float("inf"))))


def _spread(task: Callable[..., Any], jobs: list[tuple[Any, ...]]) -> Iterator[Any]:
    """Results in order, one process per core; each with BLAS on one thread."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with ProcessPoolExecutor(_cores(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(task, *zip(*jobs))


def _row(scores: list[Score]) -> list[str]:
    """One quantity of one cell, every method."""
    from scaling.analysis.coverage import METHODS

    first, by_method = scores[0], {score.method: score for score in scores}
    design = first.cell.design
    cells = [
        f"{first.cell.noise:.1%}", f"{design.decades:g}", str(design.runs), first.quantity,
        f"±{first.oracle / 2:.1%}" + (" too wide" if first.hopeless else ""),
    ]  # fmt: skip
    for method in METHODS:
        score = by_method.get(method)
        cells.append("" if score is None else _cell(score))
    return cells


def _cell(score: Score) -> str:
    covered = f"{1e3 * score.covered:.0f}±{1e3 * score.error:.0f}{'' if score.covers else '!'}"
    width = f"{score.width:.2f}{'' if score.narrow else '!'}"
    return f"{covered} {width}" + (f" {score.open:.0%} open" if score.open else "")


def _described(score: Score) -> dict[str, Any]:
    design = score.cell.design
    return {
        "noise": score.cell.noise, "decades": design.decades, "runs": design.runs,
        "quantity": score.quantity, "method": score.method, "simulations": score.simulations,
        "covered": score.covered, "covered_error": score.error, "width": score.width,
        "width_error": score.width_error, "open": score.open, "oracle": score.oracle,
        "hopeless": score.hopeless, "covers": score.covers, "narrow": score.narrow,
    }  # fmt: skip


def _median(call: Callable[[], object], times: int) -> tuple[float, float]:
    """Of the seconds that passed, and of those that this process was running; after a first call."""
    call()
    taken = []
    for _ in range(times):
        begin = time.perf_counter(), time.process_time()
        call()
        taken.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    passed, running = (sorted(column)[times // 2] for column in zip(*taken))
    return passed, running


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
