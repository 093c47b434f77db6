"""Trials through Ray Tune: the longest first, processes reused, news told to a listener."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import pickle
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

from scaling.code import code_digest
from scaling.config import Config
from scaling.sweeps.runner_data import shipped
from scaling.sweeps.runner_extras import Extras
from scaling.sweeps.runner_losses import LOSSES, loss_of
from scaling.sweeps.runner_trainable import (
    NEWS,
    OUTCOME,
    TRIAL,
    Assignment,
    MakeRun,
    Outcome,
    failed,
    trainable_class,
)
from scaling.sweeps.stopping import Stopping
from scaling.trial import TrialConfig


class Listener(Protocol):
    """What the driver does with the news from the workers."""

    def begin(self, digest: str) -> None: ...
    def progress(self, digest: str, report: Mapping[str, Any]) -> None: ...
    def news(self, digest: str, text: str) -> None: ...
    def lost(self, digest: str, reason: str) -> None: ...
    def end(self, digest: str, outcome: Outcome) -> None: ...


def run_trials(
    trials: Mapping[str, TrialConfig],
    listener: Listener,
    *,
    make_run: MakeRun,
    gpus_per_trial: float,
    checkpoints: str,
    checkpoint_seconds: float,
    extras: Extras,
    stopping: Stopping | None = None,
    data: str | None = None,
) -> None:
    """Run trials (by digest, in this order) on the running Ray session.

    A trial whose process is lost, with its node or alone, goes on from its last checkpoint; an error
    of its own is its result; one that `stopping` ends has what it has come to as its result. Returns
    early after Ctrl-C: what has ended has been told to the listener.

    Raises:
        ValueError: a trial that no machine of the cluster has room for.
    """
    from ray import tune

    from scaling.sweeps.runner_stopping import judge_of, stopped

    _check_resources(trials.values(), gpus_per_trial)
    kinds = kinds_by_value(trials.values())
    rungs = stopping.rungs if stopping is not None else ()
    there = shipped(trials.values(), data) if data is not None else {}
    texts = {
        Assignment(
            trial, digest, code_digest(trial), rungs, there.get(cast(Any, trial.dataset)), extras
        ).text(): digest
        for digest, trial in trials.items()
    }
    judge = judge_of(stopping, trials, texts) if stopping is not None else None

    def stops(digest: str, report: Mapping[str, Any]) -> Outcome | None:
        """The outcome of a trial that this was the last report of."""
        if judge is None or stopping is None or digest not in judge.reasons:
            return None
        result = stopped(trials[digest], report, judge.reasons[digest])
        return Outcome(result, None, stopping.for_good)

    base = trainable_class(make_run, kinds, checkpoints, checkpoint_seconds)

    def resources(cls: type, config: dict[str, Any]) -> Any:
        trial = json.loads(config[TRIAL])["trial"]
        bundles = [_bundle(trial, gpus_per_trial)] * trial["training"]["workers"]
        return tune.PlacementGroupFactory(bundles)

    trainable = type("SweepTrial", (base,), {"default_resource_request": classmethod(resources)})
    broken: list[Exception] = []
    storage = tempfile.mkdtemp(prefix="climber-sweep-")
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        with _interrupts_restored():
            tune.run(
                trainable,
                name="sweep",
                config={TRIAL: tune.grid_search(list(texts))},
                storage_path=storage,
                callbacks=[_callback(texts, listener, stops, broken)],
                scheduler=judge,
                max_failures=LOSSES,
                reuse_actors=True,
                raise_on_failed_trial=False,
                trial_name_creator=lambda trial: trial.trial_id,
                trial_dirname_creator=lambda trial: trial.trial_id,
                verbose=0,
            )
    except Exception:
        # Tune wraps what a listener raises in the text of a traceback.
        if broken:
            raise broken[0] from None
        raise
    finally:
        shutil.rmtree(storage, ignore_errors=True)


def _callback(
    texts: Mapping[str, str],
    listener: Listener,
    stops: Callable[[str, Mapping[str, Any]], Outcome | None],
    broken: list[Exception],
) -> Any:
    """Tells the listener what Tune tells its callbacks; an error of the listener ends the run."""
    from ray import tune

    class Messenger(tune.Callback):  # type: ignore[misc]
        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            with _kept(broken):
                listener.begin(texts[trial.config[TRIAL]])

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
        ) -> None:
            digest = texts[trial.config[TRIAL]]
            outcome = result.pop(OUTCOME, None)
            with _kept(broken):
                for text in result.pop(NEWS):
                    listener.news(digest, text)
                if outcome is None:
                    listener.progress(digest, result)
                    if (early := stops(digest, result)) is not None:
                        listener.end(digest, early)
                    return
                listener.end(digest, pickle.loads(outcome))

        def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            loss = loss_of(trial)
            if loss.likely_again:
                trial.max_failures = trial.num_failures  # one more attempt, not three
            with _kept(broken):
                listener.lost(texts[trial.config[TRIAL]], loss.reason)

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            # Its checkpoints stay: a launch on a larger machine goes on from them.
            with _kept(broken):
                reason = f"its process was lost {trial.num_failures} times: {loss_of(trial).reason}"
                listener.end(texts[trial.config[TRIAL]], Outcome(failed(reason), None, False))

    return Messenger()


@contextlib.contextmanager
def _kept(broken: list[Exception]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        broken.append(error)
        raise


def kinds_by_value(trials: Iterable[TrialConfig]) -> tuple[type[Config], ...]:
    """Configuration classes from files that workers can't import (`path.py:function`)."""
    from ray import cloudpickle

    kinds = {type(c) for trial in trials for c in (trial.model, trial.dataset, trial.training)}
    local = [kind for kind in kinds if not _importable(kind.__module__)]
    for kind in local:
        cloudpickle.register_pickle_by_value(sys.modules[kind.__module__])
    return tuple(sorted(local, key=lambda kind: kind.__qualname__))


def _importable(module: str) -> bool:
    """Whether a fresh process finds the module: of this package, or installed."""
    if module.split(".")[0] == "scaling":
        return True
    spec = importlib.util.find_spec(module)
    origin = getattr(spec, "origin", None) or ""
    return "site-packages" in origin or "dist-packages" in origin


def _bundle(trial: Mapping[str, Any], gpus_per_trial: float) -> dict[str, float]:
    training = trial["training"]
    bundle = {"CPU": float(training["threads"])}
    if str(training["device"]).startswith("cuda"):
        bundle["GPU"] = gpus_per_trial
    return bundle


def slots_of(trials: Sequence[TrialConfig], gpus_per_trial: float = 1.0) -> int:
    """Trials that the running Ray session has room for at the same time, whichever they are."""
    nodes, rooms = _nodes(), []
    for trial in trials:
        room = _room(_bundle(trial.to_dict(), gpus_per_trial), nodes)
        rooms.append(room // trial.training.workers)
    return max(min(rooms, default=1), 1)


def _nodes() -> list[dict[str, float]]:
    """What each node of the session has."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _room(wanted: Mapping[str, float], nodes: Iterable[Mapping[str, float]]) -> int:
    """How many bundles the nodes have room for."""
    return sum(int(min(node.get(k, 0) // v for k, v in wanted.items())) for node in nodes)


def _check_resources(trials: Iterable[TrialConfig], gpus_per_trial: float) -> None:
    """Tune would wait without end for a machine that has them."""
    nodes = _nodes()
    for trial in trials:
        wanted = _bundle(trial.to_dict(), gpus_per_trial)
        workers = trial.training.workers
        room = _room(wanted, nodes)
        if 0 < room < workers:
            each = ", ".join(f"{v:g} {k}" for k, v in wanted.items())
            raise ValueError(
                f"a trial asks for {workers} workers of {each} each, and the Ray cluster has room "
                f"for {room} of them. Cure: fewer workers or threads, or another --address"
            )
        if not room:
            has: dict[str, float] = max(
                nodes, key=lambda node: float(node.get("CPU", 0)), default={}
            )
            offered = ", ".join(f"{has.get(k, 0):g} {k}" for k in wanted)
            asked = ", ".join(f"{v:g} {k}" for k, v in wanted.items())
            raise ValueError(
                f"a trial asks for {asked}, and no machine of the Ray cluster has that (the "
                f"largest: {offered}). Cure: fewer threads, device='cpu', or another --address"
            )


@contextlib.contextmanager
def _interrupts_restored() -> Iterator[None]:
    """Tune leaves its handlers for SIGINT and SIGUSR1 behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else [])]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
