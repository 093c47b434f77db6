"""The power law towards a floor."""

from __future__ import annotations

from scaling.analysis.law import LAWS
from scaling.analysis.powersum import PowerSum, Term


@LAWS.register("offset")
class Offset(PowerSum):
    """L = E + A C^-alpha: the part above the floor E is a power law. Henighan et al. 2020."""

    name = "offset"
    formula = "E + A · compute^-alpha"
    offset = "E"
    terms = (Term("compute", "A", "alpha"),)
    example = {"E": 0.45, "A": 30.0, "alpha": 0.2}  # noqa: RUF012
