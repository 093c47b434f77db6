"""Limits of a design: models beyond them are left out, and the sweep says which and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from scaling.datasets.base import Dataset, DatasetConfig
from scaling.models.base import ModelConfig
from scaling.sweeps.cost import memory_bytes
from scaling.sweeps.latency import latency_ms
from scaling.sweeps.recipe import Recipe
from scaling.sweeps.sizes import full_flops
from scaling.trial import TrialConfig
from scaling.units import format_si


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that a model of a design may need; None is no limit.

    Raises:
        ValueError: a limit that is not positive.
    """

    memory_bytes: float | None = None
    """Peak memory of a trial, as the plan expects it with as many candidates as a request ever has."""
    params: float | None = None
    """Dense parameters."""
    flops_per_request: float | None = None
    """Forward FLOPs at full lengths."""
    latency_ms: float | None = None
    """Milliseconds to score one full request, measured here with the recipe's threads: another
    machine may keep other models. A sweep's logged spec holds those that were kept."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value > 0:
                raise ValueError(f"Limits.{field.name} must be positive, got {value}")


NO_LIMITS = Limits()


def within_limits(
    models: Sequence[ModelConfig], dataset: DatasetConfig, recipe: Recipe, limits: Limits
) -> tuple[list[ModelConfig], tuple[str, ...]]:
    """The models that keep to the limits, in order, and why each other one is left out.

    References have no size and always stay.

    Raises:
        ValueError: an architecture has no model left.
    """
    if limits == NO_LIMITS:
        return list(models), ()
    data = dataset.open()
    reasons = {
        model: beyond(model, dataset, data, recipe, limits)
        for model in models
        if model.role == "trained"
    }
    kept = [model for model in models if not reasons.get(model)]
    left_out = {model: reason for model, reason in reasons.items() if reason}
    gone = {model.name for model in left_out} - {model.name for model in kept}
    for name in sorted(gone):
        mine = [told(model, reason) for model, reason in left_out.items() if model.name == name]
        raise ValueError(f"the limits leave no model of {name}: {'; '.join(mine)}")
    return kept, tuple(told(model, reason) for model, reason in left_out.items())


def beyond(
    model: ModelConfig, dataset: DatasetConfig, data: Dataset, recipe: Recipe, limits: Limits
) -> str:
    """Why a model is beyond the limits; empty where it is not."""
    measures: dict[str, tuple[str, Callable[[], float]]] = {
        "params": ("parameters", lambda: model.num_params(data.schema)[0]),
        "flops_per_request": ("FLOP per request", lambda: full_flops(model, data.schema)),
        "memory_bytes": ("B of memory", lambda: _memory(model, dataset, data, recipe)),
        "latency_ms": (
            "ms a request",
            lambda: latency_ms(model, data.schema, threads=recipe.threads),
        ),
    }
    found = []
    for field, (unit, measure) in measures.items():
        most = getattr(limits, field)
        if most is not None and (needed := measure()) > most:
            more, limit = (f"{format_si(value, digits=3)}" for value in (needed, most))
            found.append(f"{more} {unit}, more than {limit}")
    return ", ".join(found)


def told(model: ModelConfig, reason: str) -> str:
    """A model that was left out, in words."""
    blocks = f" b{model.blocks}" if model.blocks > 1 else ""
    return f"{model.variant} d{model.depth} w{model.width} n{model.seq_len}{blocks}: {reason}"


def _memory(model: ModelConfig, dataset: DatasetConfig, data: Dataset, recipe: Recipe) -> float:
    training = recipe.training_for(model)
    trial = TrialConfig(model=model, dataset=dataset, training=training, budget=1.0, seed=0)
    return memory_bytes(trial, *model.num_params(data.schema), data.schema.max_candidates)
