"""Benchmark against RecBole's SASRec, at equal width, depth, length and tokens per step.

RecBole is no dependency: it is measured where it is installed. Its step is its own trainer's: full
histories in, softmax over all items at the last position, Adam. Ours is a trial's step on random
requests of the same shape, with binary losses over the candidates of each.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from scaling.models.transformer import TransformerConfig
from scaling.sweeps.benchmark import (
    REPETITIONS,
    WARM_UP_STEPS,
    Repetition,
    TimedRun,
    peak_now,
    timed_trial,
)
from scaling.sweeps.benchmark_data import RandomRequests

PACKAGE = "recbole"
WIDTH, LAYERS, HEADS, LENGTH = 64, 2, 2, 200
ITEMS = 1682
"""Of MovieLens 100K."""
EPOCH_STEPS = 4

DIFFERENCES = (
    "RecBole: softmax over all items at the last position, one label per sequence, learned positions, "
    "dropout 0.5, GELU, Adam over every parameter; unfused attention",
    "Climber: binary losses of several behaviours per candidate, candidates attend to the history, age "
    "and position biases, no dropout, SiLU, AdamW and row-wise Adagrad; the last layer's queries are "
    "the candidates only",
    "importing RecBole switches PyTorch's anomaly detection on, which doubles the time of a step: its "
    "rate is given with it, as users get it, and without",
    "tokens are history events, full histories on both sides",
)


@dataclass(frozen=True)
class Rates:
    """Of one of the two, the median repetition."""

    name: str
    tokens_per_second: float
    examples_per_second: float
    step_seconds: float
    cpu_step_seconds: float
    """Of all threads together; what other programs take is not in it."""
    flops_per_second: float
    """Training FLOPs of the algorithm, dense counting."""


class _Batches:
    """What RecBole's trainer reads as a data loader: so many batches of random interactions."""

    shuffle = False

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return EPOCH_STEPS

    def __iter__(self) -> Iterator[Any]:
        return iter([self.batch] * EPOCH_STEPS)


class _Catalogue:
    """All that SASRec asks of a data set."""

    def num(self, field: str) -> int:
        return ITEMS + 1


def installed() -> bool:
    return importlib.util.find_spec(PACKAGE) is not None


def compare(seconds: float, *, batch_size: int, threads: int) -> tuple[list[Rates], float]:
    """Our rate and RecBole's, as it is and without anomaly detection, measured in turns; and the
    fp32 peak of a matrix product.

    Raises:
        ValueError: RecBole is not installed.
    """
    if not installed():
        raise ValueError("RecBole is not installed here: pip install recbole==1.2.1 beside Climber")
    ours = TimedRun(
        timed_trial(
            TransformerConfig(depth=LAYERS, width=WIDTH, seq_len=LENGTH, head_dim=WIDTH // HEADS),
            RandomRequests(num_items=ITEMS),
            batch_size=batch_size,
            threads=threads,
        )
    )
    ours.repeat(0.0, WARM_UP_STEPS)
    turns: list[Repetition] = []
    theirs: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.chdir(folder):  # it logs to the working directory
            trainer, loader = _recbole(batch_size, folder)
        torch.set_num_threads(threads)
        for _ in range(REPETITIONS):
            peaks.append(peak_now(ours.trial.training))
            # Importing RecBole switches this on for the whole process.
            with torch.autograd.set_detect_anomaly(False):
                turns.append(ours.repeat(seconds / REPETITIONS, 2))
            for checked, steps in theirs.items():
                with torch.autograd.set_detect_anomaly(checked):
                    steps.append(_epochs(trainer, loader, seconds / REPETITIONS))
    middle = sorted(turns, key=lambda turn: turn.speed)[(len(turns) - 1) // 2]
    rates = [
        Rates(
            "climber transformer",
            middle.tokens / middle.seconds,
            middle.examples / middle.seconds,
            middle.seconds / middle.steps,
            float(np.median([turn.cpu_seconds / turn.steps for turn in turns])),
            middle.flops / middle.seconds,
        )
    ]
    for checked, name in ((True, "as it is"), (False, "without anomaly detection")):
        step, cpu = np.median(np.array(theirs[checked]), axis=0).tolist()
        rates.append(
            Rates(
                f"RecBole SASRec {name}",
                batch_size * LENGTH / step,
                batch_size / step,
                step,
                cpu,
                batch_size * sasrec_flops() / step,
            )
        )
    return rates, max(peaks)


def _epochs(trainer: Any, loader: _Batches, seconds: float) -> tuple[float, float]:
    """Time and processor time of a step of RecBole's, over about so many seconds."""
    begin, cpu, steps = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < seconds or not steps:
        trainer._train_epoch(loader, 0)
        steps += EPOCH_STEPS
    return (time.perf_counter() - begin) / steps, (time.process_time() - cpu) / steps


def sasrec_flops() -> float:
    """Training FLOPs of one sequence: layers of 24 d^2 n + 4 d n^2, then the scores of all items."""
    layer = 24 * WIDTH**2 * LENGTH + 4 * WIDTH * LENGTH**2
    return 3.0 * (LAYERS * layer + 2 * WIDTH * (ITEMS + 1))


def _module(name: str) -> Any:
    """A module of RecBole's: looked up by name, for it is no dependency."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def _recbole(batch_size: int, folder: str) -> tuple[Any, _Batches]:
    """Its trainer with its defaults but for the sizes, and a batch of full random histories."""
    with _as_it_expects():
        config = _module("config").Config(
            model="SASRec",
            dataset="ml-100k",
            config_dict={
                "n_layers": LAYERS,
                "n_heads": HEADS,
                "hidden_size": WIDTH,
                "inner_size": 4 * WIDTH,
                "MAX_ITEM_LIST_LENGTH": LENGTH,
                "train_neg_sample_args": None,
                "use_gpu": False,
                "checkpoint_dir": folder,
                "show_progress": False,
                "log_wandb": False,
            },
        )
        config["single_spec"] = True
        sasrec = _module("model.sequential_recommender").SASRec
        model = sasrec(config, _Catalogue())
        trainer = _module("trainer").Trainer(config, model)
        interaction = _module("data.interaction").Interaction
    random = np.random.default_rng(0)
    items = torch.from_numpy(random.integers(1, ITEMS + 1, (batch_size, LENGTH)))
    batch = interaction(
        {
            model.ITEM_SEQ: items,
            model.ITEM_SEQ_LEN: torch.full((batch_size,), LENGTH),
            model.POS_ITEM_ID: torch.from_numpy(random.integers(1, ITEMS + 1, batch_size)),
        }
    )
    return trainer, _Batches(batch)


@contextlib.contextmanager
def _as_it_expects() -> Iterator[None]:
    """RecBole 1.2.1 uses names that numpy has dropped, and reads the command line as its own."""
    old = {
        "bool": bool, "float": float, "int": int, "object": object, "long": int,
        "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_,
    }  # fmt: skip
    added = [name for name in old if name not in np.__dict__]
    arguments = sys.argv
    for name in added:
        setattr(np, name, old[name])
    sys.argv = arguments[:1]
    try:
        yield
    finally:
        sys.argv = arguments
        for name in added:
            delattr(np, name)
