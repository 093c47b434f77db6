"""What a scaling law is: a formula over a run's columns, with parameters in raw units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scaling.registry import Registry

Array = NDArray[np.float64]

LAWS: Registry[type[Law]] = Registry("law", "scaling.analysis.laws")
"""Law classes by name; each is called without arguments."""


class FitError(ValueError):
    """A fit that can't be made; the message names the rows, the column or the parameter."""


class Law(ABC):
    """A scaling law L(x; parameters) with L > 0; L may be a metric that rises, too.

    Two sets of coordinates: **raw** parameters are what people read (`A` in L = A C^-alpha with C
    in FLOPs); **working** parameters are what the optimizer sees, where the logs of the variables
    are centred on the data and amplitudes are logs. On published data, raw logs reach the optimum
    from 0-8 % of random starts and centred ones from 100 %.
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    """As printed, with raw parameters and variables."""
    variables: ClassVar[tuple[str, ...]]
    """Columns of the run table, positive numbers."""
    parameters: ClassVar[tuple[str, ...]]
    anchors: ClassVar[Mapping[str, str]] = {}
    """Variable to the parameter that holds the value at x = 1: when that one is given, the
    variable isn't centred, so that the given number stays a single working coordinate."""
    exponents: ClassVar[tuple[str, ...]] = ()
    """Parameters that say how fast the loss falls; 0 means that it does not."""
    positive: ClassVar[frozenset[str]] = frozenset()
    """Parameters above 0 by their meaning: their intervals are made on the log scale."""
    offset: ClassVar[str | None] = None
    """The parameter that is the loss at infinite x, if the law has one."""
    increasing: ClassVar[bool] = False
    """Whether it is a law of a metric that rises with its variables, as AUC does."""
    limits: ClassVar[tuple[float, float]] = (0.0, np.inf)
    """What the target lies between, ends excluded."""
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """What a parameter may be, ends included, where it isn't any number. An offset is at least 0."""
    example: ClassVar[Mapping[str, float]]
    """Parameters of a typical curve, in raw units: what tests and simulations take for the truth."""

    @abstractmethod
    def __call__(self, columns: Mapping[str, Any], params: Mapping[str, Any]) -> Array:
        """The loss; columns and parameters broadcast against each other."""

    @abstractmethod
    def evaluate(self, x: Array, theta: Array) -> tuple[Array, Array]:
        """Log of the loss and its gradient, for a batch of problems.

        Args:
            x: centred natural logs of the variables, `[batch or 1, rows, variables]`.
            theta: working parameters, `[batch, parameters]`.

        Returns:
            log L `[batch, rows]` and d log L / d theta `[batch, rows, parameters]`, best as a view
            of an array `[batch, parameters, rows]`: the solver sums over rows.
        """

    @abstractmethod
    def to_raw(self, theta: Array, centre: Array) -> Array:
        """Raw from working parameters, `[..., parameters]`; `centre` is `[variables]`."""

    @abstractmethod
    def to_working(self, raw: Array, centre: Array) -> Array:
        """Working from raw parameters, `[..., parameters]`."""

    @abstractmethod
    def raw_gradient(self, theta: Array, centre: Array) -> Array:
        """d raw / d theta at one point, `[parameters, parameters]`; rows are raw parameters."""

    @abstractmethod
    def bounds(self, x: Array, loss: Array) -> tuple[Array, Array]:
        """Lower and upper bounds of the working parameters, given the rows to fit."""

    @abstractmethod
    def starts(self, x: Array, loss: Array, count: int, rng: np.random.Generator) -> Array:
        """Working starting points `[count, parameters]`, the most sensible one first.

        Args:
            x: centred logs, `[rows, variables]`.
            loss: `[rows]`.
        """

    def centre(self, logs: Array, given: Mapping[str, float]) -> Array:
        """What is subtracted from the logs `[rows, variables]`: their means, 0 if anchored."""
        means = logs.mean(axis=0)
        anchored = [self.anchors.get(variable) in given for variable in self.variables]
        return np.where(anchored, 0.0, means)

    def inverse(self, loss: Any, params: Mapping[str, Any]) -> Array:
        """The value of the only variable at which the law reaches `loss`; infinite if it never does.

        Raises:
            NotImplementedError: a law of several variables, or without a closed form.
        """
        raise NotImplementedError(f"law {self.name!r} has no inverse")


def law_of(law: str | Law) -> Law:
    """The law of that name; a law object is passed through."""
    return LAWS.get(law)() if isinstance(law, str) else law
