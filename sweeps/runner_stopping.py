"""Trials that end before their budget is spent, as Ray Tune's schedulers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from scaling.results import CurvePoint, TrialResult
from scaling.sweeps.runner_trainable import CURVE, FINISHED, SHARE, TRAIN_LOSS, TRIAL
from scaling.sweeps.stopping import CurveRule, Halving, Stopping
from scaling.training import CURVE_POINTS
from scaling.trial import TrialConfig

CONTINUE, STOP = str(TrialScheduler.CONTINUE), str(TrialScheduler.STOP)


class Judge(FIFOScheduler):  # type: ignore[misc]
    """Runs trials in their order, and keeps why it has stopped one."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        """`digests`: of the trials, by what their workers are told."""
        super().__init__()
        self._digests = digests
        self.reasons: dict[str, str] = {}
        """By digest."""

    def digest(self, trial: Any) -> str:
        return self._digests[trial.config[TRIAL]]


def judge_of(
    stopping: Stopping, trials: Mapping[str, TrialConfig], digests: Mapping[str, str]
) -> Judge:
    """The scheduler of a rule for `trials`, by digest."""
    if isinstance(stopping, Halving):
        return _ByHalving(stopping, digests)
    return _ByCurve(CurveRule(trials, CURVE_POINTS), digests)


class _ByCurve(Judge):
    def __init__(self, rule: CurveRule, digests: Mapping[str, str]) -> None:
        super().__init__(digests)
        self._rule = rule

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        digest = self.digest(trial)
        if reason := self._rule.stops(digest, result[CURVE]):
            self.reasons[digest] = reason
            return STOP
        return CONTINUE

    def on_trial_complete(self, controller: Any, trial: Any, result: dict[str, Any]) -> None:
        if result.get(FINISHED):
            self._rule.ended(self.digest(trial), result[CURVE])


class _ByHalving(Judge):
    def __init__(self, rule: Halving, digests: Mapping[str, str]) -> None:
        super().__init__(digests)
        self._rule, self._groups = rule, rule.groups
        self._asha: dict[str, ASHAScheduler] = {}

    def on_trial_add(self, controller: Any, trial: Any) -> None:
        group = self._groups[self.digest(trial)]
        if group not in self._asha:
            self._asha[group] = ASHAScheduler(
                time_attr=SHARE,
                metric=TRAIN_LOSS,
                mode="min",
                max_t=1.0,
                grace_period=self._rule.rungs[0],
                reduction_factor=self._rule.rungs[1] / self._rule.rungs[0],
            )
        self._asha[group].on_trial_add(controller, trial)

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        digest = self.digest(trial)
        decision = str(self._asha[self._groups[digest]].on_trial_result(controller, trial, result))
        if decision == STOP:
            self.reasons[digest] = (
                f"stopped at {result[SHARE]:.0%} of its budget: training loss "
                f"{result[TRAIN_LOSS]:.4f}, behind the better ones of its search"
            )
        return decision


def stopped(trial: TrialConfig, report: Mapping[str, Any], reason: str) -> TrialResult:
    """The result of a trial that was stopped after this report: what was spent, no evaluation."""
    metrics = {
        "compute": float(report[SHARE]) * trial.budget,
        "examples": float(report["examples"]),
        "steps": float(report["steps"]),
        "train_seconds": float(report["train_seconds"]),
    }
    curve = [CurvePoint(examples, {TRAIN_LOSS: loss}) for examples, loss in report[CURVE]]
    return TrialResult("stopped", reason, metrics, {}, curve)
