"""The sizes and options of a stack of layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FFN_FACTOR = 4

Bias = Literal["none", "key", "pairwise"]
Gate = Literal["none", "head", "element"]
Mixing = Literal["softmax", "lightning"]


@dataclass(frozen=True, kw_only=True)
class StackShape:
    """The sizes of a stack."""

    depth: int
    width: int
    length: int
    """Largest number of events: the number of key positions."""
    head_dim: int
    scenarios: int | None = None
    """Number of scenarios with a temperature of their own; None: no learned temperature."""
    causal: bool = True
    bias: Bias = "key"
    """Softmax layers: by age and position of the key, of the pair of events, or no bias."""
    gate: Gate = "none"
    """Softmax layers: whether what was gathered is gated, per head or per element."""
    softmax_every: int = 1
    """Every so many-th layer is a softmax layer, the others are lightning layers; 0: none is."""
    request_free: bool = False
    """Whether events read neither the request's time nor its scenario: they know the gap to the event
    before and their position from the start; candidates alone see ages, and the scenario."""
    experts: int = 1
    """Feed-forward parts to choose from; 1: the plain one."""
    experts_per_token: int = 1

    def __post_init__(self) -> None:
        if "lightning" in self.mixing and not self.causal:
            raise ValueError(
                "lightning layers read the history in one direction: a stack that is not causal "
                f"needs softmax in every layer (softmax_every 1), got {self.softmax_every}"
            )

    @property
    def heads(self) -> int:
        return self.width // self.head_dim

    @property
    def residual_gain(self) -> float:
        """Of the matrices that write to the residual stream, so that layers together move it as
        much at any depth (CompleteP: Dey et al. 2025, arXiv 2505.01618)."""
        return 1 / self.depth

    @property
    def mixing(self) -> tuple[Mixing, ...]:
        """The kind of every layer's mixer."""
        every = self.softmax_every
        return tuple(
            "softmax" if every and (layer + 1) % every == 0 else "lightning"
            for layer in range(self.depth)
        )

    @property
    def asking(self) -> tuple[int, ...]:
        """Numbers of the softmax layers in which events ask: in the last layer none does."""
        return tuple(n for n, kind in enumerate(self.mixing[:-1]) if kind == "softmax")

    @property
    def asks_by_gap(self) -> bool:
        """Whether events as keys of events have a bias of their own."""
        return self.request_free and self.bias == "key" and bool(self.asking)

    @property
    def attends(self) -> bool:
        """Whether any layer is a softmax layer."""
        return "softmax" in self.mixing

    @property
    def gates(self) -> int:
        """Outputs of a softmax layer's gate."""
        return {"none": 0, "head": self.heads, "element": self.width}[self.gate]
