"""The pure power law."""

from __future__ import annotations

from scaling.analysis.law import LAWS
from scaling.analysis.powersum import PowerSum, Term


@LAWS.register("power")
class Power(PowerSum):
    """L = A C^-alpha: a straight line in (log C, log L). Kaplan et al. 2020, arXiv 2001.08361."""

    name = "power"
    formula = "A · compute^-alpha"
    terms = (Term("compute", "A", "alpha"),)
    example = {"A": 40.0, "alpha": 0.15}  # noqa: RUF012
