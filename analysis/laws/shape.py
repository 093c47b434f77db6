"""The law in depth, width and examples."""

from __future__ import annotations

from scaling.analysis.law import LAWS
from scaling.analysis.powersum import PowerSum, Term


@LAWS.register("shape")
class Shape(PowerSum):
    """L = E + A depth^-alpha + W width^-omega + B D^-beta: depth and width need not trade.

    With N alone, two shapes of equal N are one; here each axis has its own exponent (after
    Levine et al. 2020, arXiv 2006.12467, where depth and width saturate apart).
    """

    name = "shape"
    formula = "E + A · depth^-alpha + W · width^-omega + B · examples^-beta"
    offset = "E"
    parameters = ("E", "A", "W", "B", "alpha", "omega", "beta")
    terms = (
        Term("depth", "A", "alpha"),
        Term("width", "W", "omega"),
        Term("examples", "B", "beta"),
    )
    example = {  # noqa: RUF012
        "E": 0.4, "A": 0.1, "W": 0.8, "B": 20.0, "alpha": 0.8, "omega": 0.5, "beta": 0.3,
    }  # fmt: skip
