"""Running a sweep: what is not finished goes through Ray Tune, and into MLflow as it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from scaling.lease import Lease
from scaling.sweeps.base import Sweep
from scaling.sweeps.plan import Plan, make_plan
from scaling.sweeps.recorder import Recorder
from scaling.sweeps.runner_checkpoints import (
    CHECKPOINT_SECONDS,
    checkpoint_place,
    discard_quietly,
)
from scaling.sweeps.runner_extras import Extras
from scaling.sweeps.runner_ray import run_trials
from scaling.sweeps.runner_session import ray_session
from scaling.sweeps.runner_team import begin_run
from scaling.sweeps.runner_trainable import MakeRun
from scaling.sweeps.state import SweepOutcome, SweepState
from scaling.sweeps.stopping import Stopping
from scaling.tracking import SweepTracker
from scaling.tracking_lease import sweep_lease
from scaling.tracking_models import LogModels
from scaling.tracking_store import resolve_uri

logger = logging.getLogger(__name__)

OnProgress = Callable[[SweepState], None]


def run_sweep(
    sweep: Sweep,
    *,
    tracking_uri: str | None = None,
    address: str | None = None,
    cpus: int | None = None,
    force: bool = False,
    plan: Plan | None = None,
    on_progress: OnProgress | None = None,
    make_run: MakeRun = begin_run,
    gpus_per_trial: float = 1.0,
    checkpoints: str | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    lease: Lease | None = None,
    stopping: Stopping | None = None,
    data: str | None = None,
    log_models: LogModels | None = None,
    latency: bool = False,
) -> SweepOutcome:
    """Run the trials of a sweep that no run of the store has finished.

    A trial that fails is recorded with its reason, and the others go on. One whose process, node or
    driver is killed goes on from its last checkpoint, in this launch or the next. Ctrl-C keeps what
    is finished; a second Ctrl-C does not wait for Ray to stop its workers in order.

    Args:
        sweep: what to run.
        tracking_uri: the MLflow store; see `scaling.tracking_store.resolve_uri`.
        address: a Ray cluster; None for this machine.
        cpus: cores of this machine that trials may take together; None for all.
        force: run finished trials again; the latest run of a digest counts.
        plan: of this sweep, if one was made already.
        on_progress: called with the sweep's state at every change.
        make_run: begins a trial, in the worker.
        gpus_per_trial: share of a GPU that a trial on `cuda` takes.
        checkpoints: a folder, or a URI that pyarrow knows, that every node of the cluster reaches;
            by default `checkpoints` beside the prepared data.
        checkpoint_seconds: of training between two checkpoints of a trial; longer where they would
            take more than 1 % of the time.
        lease: of this sweep, held already since before the plan was made; None takes it here.
        data: a folder or URI at which nodes find prepared data that they can't make themselves; what
            is missing there is put there.
        log_models: which trials keep their model in MLflow; None: none of them.
        latency: whether every trial measures its model's latency at its end.
        stopping: which trials end before their budget is spent; those of earlier launches stay so.

    Raises:
        LeaseError: another driver runs the sweep, or has taken it over.
        ValueError: an unusable store, plan, cluster or place for checkpoints; trials that ended are
            kept.
    """
    # Taken first: a plan made before may be old.
    own = (
        sweep_lease(sweep.title, tracking_uri=tracking_uri) if lease is None else nullcontext(lease)
    )
    with own as held:
        begin = time.perf_counter()
        place = checkpoint_place(checkpoints)
        plan = plan or make_plan(
            sweep,
            tracking_uri=tracking_uri,
            force=force,
            keep_stopped=stopping is not None,
        )
        state = SweepState.of(plan)
        held.status = state.summary
        tell = on_progress or (lambda state: None)
        tell(state)
        # A driver may have been killed between the last record and this.
        discard_quietly(place, [planned.digest for planned in plan.in_state("done")])
        parent, interrupted = None, False
        if plan.in_state("to do") or plan.in_state("reuse"):
            session: AbstractContextManager[None] = nullcontext()
            if plan.in_state("to do"):
                state.message = "starting Ray"
                threads = max(planned.trial.training.threads for planned in plan.in_state("to do"))
                session = ray_session(address, cpus=cpus, threads=threads)
            tell(state)
            try:
                with _opened(
                    session, sweep.title, tracking_uri, held, log_models or "all"
                ) as tracker:
                    parent = tracker.parent_id
                    tracker.log_spec(sweep.to_dict())
                    state.message = ""
                    tell(state)
                    for planned in plan.in_state("reuse"):
                        assert planned.run_id is not None
                        tracker.reuse(planned.run_id)
                    trials = {planned.digest: planned.trial for planned in plan.order()}
                    if trials:
                        with Recorder(tracker, held, state, tell, place) as recorder:
                            run_trials(
                                trials,
                                recorder,
                                make_run=make_run,
                                gpus_per_trial=gpus_per_trial,
                                checkpoints=place,
                                checkpoint_seconds=checkpoint_seconds,
                                stopping=stopping,
                                data=data,
                                extras=Extras(model=log_models is not None, latency=latency),
                            )
                    interrupted = bool(state.in_phase("waiting", "running"))
                    tracker.ending = "KILLED" if interrupted else "FINISHED"
            except KeyboardInterrupt:
                interrupted = True
            if interrupted:
                logger.warning("interrupted; finished trials are kept")
        state.message = ""
        tell(state)
    return SweepOutcome(
        title=sweep.title,
        trials=len(plan.trials),
        done=len(state.in_phase("finished")),
        skipped=len(plan.in_state("done")),
        reused=len(state.in_phase("reused")),
        stopped=len(state.in_phase("stopped")) + len(plan.in_state("stopped")),
        failed=tuple((t.planned.name, t.reason) for t in state.in_phase("failed")),
        missing=len(state.in_phase("waiting", "running")),
        other_code=0 if force else plan.other_code,
        interrupted=interrupted,
        seconds=time.perf_counter() - begin,
        tracking_uri=resolve_uri(tracking_uri),
        parent_run_id=parent,
    )


@contextmanager
def _opened(
    session: AbstractContextManager[None],
    title: str,
    tracking_uri: str | None,
    lease: Lease,
    models: LogModels,
) -> Iterator[SweepTracker]:
    """Ray's session and the sweep's record, opened at the same time: a new store takes 2 s, and so
    does Ray, which mostly waits."""
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        opening = pool.submit(SweepTracker, title, tracking_uri=tracking_uri, models=models)
        try:
            stack.enter_context(session)
        finally:
            # Entered even if Ray fails: the record is closed as failed, not left open.
            tracker = opening.result()
            tracker.patience.before_each = lease.confirm
            stack.enter_context(tracker)
        yield tracker
