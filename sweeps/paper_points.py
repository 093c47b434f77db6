"""The shapes that the Climber paper reports, and what each costs by this platform's count.

Source: Climber, arXiv 2502.09888v2: the online A/B table and the figure of "equal FLOPs" shapes. The
paper doesn't say how it counts. Its eight A/B figures follow

    F = s [(l - 1) a + b] + (l - 1) c s^2 + k        s: length, l: layers

which is read here as a nominal model: width 100, two equal blocks, the last layer for candidates
only, and k in the place of candidate, fusion and head. docs/paper-flops.md shows the tables below;
`python -m scaling.sweeps.paper_points` prints them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling.batch import Schema
from scaling.models.astro import AstroConfig

REST = 1.7e6
"""k: FLOPs in the place of candidate, fusion and head, the same for every shape."""

COEFFICIENTS: Mapping[str, float] = {"a": 2.469e5, "b": 4.14e4, "c": 199.65, "k": REST}
"""Of `formula`, rounded from a fit to the A/B figures; the paper gives none."""

AUC_PER_DECADE = 0.010
"""Slope of the paper's frontier: AUC gained by ten times the FLOPs."""


@dataclass(frozen=True)
class Shape:
    """A model of the paper."""

    length: int
    """s: events of all blocks."""
    layers: int

    def __str__(self) -> str:
        return f"{self.length} x {self.layers}"


AB_TEST: Mapping[Shape, float] = {
    Shape(100, 1): 5.82e6,
    Shape(400, 1): 1.84e7,
    Shape(800, 1): 3.46e7,
    Shape(400, 4): 4.11e8,
    Shape(800, 4): 1.01e9,
    Shape(1600, 4): 2.79e9,
    Shape(800, 8): 2.31e9,
    Shape(800, 12): 3.61e9,
}
"""FLOPs of the online A/B test, as published."""

EQUAL_FLOPS: Mapping[float, Mapping[Shape, float]] = {
    4.11e8: {
        Shape(1600, 1): 0.8212,
        Shape(800, 2): 0.8280,
        Shape(400, 4): 0.8301,
        Shape(200, 8): 0.8297,
    },
    1.01e9: {
        Shape(1600, 2): 0.8286,
        Shape(800, 4): 0.8323,
        Shape(400, 8): 0.8335,
        Shape(200, 16): 0.8321,
    },
    2.55e9: {
        Shape(1600, 4): 0.8365,
        Shape(800, 8): 0.8382,
        Shape(400, 16): 0.8367,
    },
}
"""AUC of the shapes that the paper calls equal in FLOPs, by those FLOPs."""


def nominal_model(shape: Shape) -> AstroConfig:
    """ASTRO as the paper's figures suggest it: width 100, 4 heads, two blocks of equal length."""
    return AstroConfig(
        depth=shape.layers,
        width=100,
        seq_len=shape.length,
        strategies=("recent", "play"),
        head_dim=25,
    )


def nominal_flops(shape: Shape) -> float:
    """Forward FLOPs of the nominal model's full history, dense counting, plus `REST`."""
    schema = Schema(
        num_items=1,
        behaviours=("play",),
        action_labels=((0,), (1,)),
        scenarios=("all",),
        item_attributes={},
        request_attributes={},
        max_candidates=1,
    )
    model = nominal_model(shape)
    lengths = np.array([[view.length for view in model.views()]])
    return float(model.flops(schema, lengths, np.array([1])).part("history.")[0]) + REST


def formula(shape: Shape, coefficients: Mapping[str, float] = COEFFICIENTS) -> float:
    """F of the module's text."""
    terms = zip(_terms(shape), (coefficients[name] for name in COEFFICIENTS), strict=True)
    return sum(term * coefficient for term, coefficient in terms)


def fitted(flops: Mapping[Shape, float]) -> dict[str, float]:
    """The coefficients of `formula` with the least squares of relative errors."""
    values = np.array(list(flops.values()))
    terms = np.array([_terms(shape) for shape in flops])
    found = np.linalg.lstsq(terms / values[:, None], np.ones(len(values)), rcond=None)[0]
    return dict(zip(COEFFICIENTS, found.tolist(), strict=True))


def _terms(shape: Shape) -> tuple[float, float, float, float]:
    """What a, b, c and k multiply."""
    s, before = shape.length, shape.layers - 1
    return s * before, s, before * s * s, 1


def ab_table() -> str:
    """Markdown: the A/B test's FLOPs as published, by our count, and by the fitted formula."""
    rows = [
        (
            shape,
            _number(paper),
            *_beside(nominal_flops(shape), paper),
            f"{formula(shape) / paper:.3f}",
        )
        for shape, paper in AB_TEST.items()
    ]
    header = ("length x layers", "paper", "our count", "our count / paper", "formula / paper")
    return _markdown(header, rows)


def coefficient_table() -> str:
    """Markdown: the coefficients, fitted again, and those of the nominal model."""
    again = fitted(AB_TEST)
    ours = fitted({shape: nominal_flops(shape) for shape in AB_TEST})
    rows = [
        (
            name,
            _number(value, ".5g"),
            *_beside(again[name], value, ".5g"),
            *_beside(ours[name], value, ".5g"),
        )
        for name, value in COEFFICIENTS.items()
    ]
    header = ("", "formula", "fitted here", "/ formula", "nominal model", "/ formula")
    return _markdown(header, rows)


def equal_table() -> str:
    """Markdown: the shapes called equal, their true FLOPs, and the AUC moved to the group's FLOPs."""
    rows = []
    for group, shapes in EQUAL_FLOPS.items():
        for shape, auc in shapes.items():
            ours = nominal_flops(shape)
            moved = auc + AUC_PER_DECADE * math.log10(group / ours)
            by_formula = f"{formula(shape) / group:.3f}"
            counts = (*_beside(ours, group), by_formula)
            rows.append((_number(group), shape, *counts, f"{auc:.4f}", f"{moved:.4f}"))
    header = (
        "group", "length x layers", "our count", "our count / group", "formula / group",
        "AUC", "AUC at the group's FLOPs",
    )  # fmt: skip
    return _markdown(header, rows)


def _number(value: float, form: str = ".2e") -> str:
    return f"{value:{form}}".replace("e+0", "e")


def _beside(value: float, reference: float, form: str = ".2e") -> tuple[str, str]:
    """A number and its ratio to another."""
    return _number(value, form), f"{value / reference:.3f}"


def _markdown(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


if __name__ == "__main__":
    print(ab_table(), coefficient_table(), equal_table(), sep="\n\n")
