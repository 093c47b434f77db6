"""The law in parameters and examples."""

from __future__ import annotations

from scaling.analysis.law import LAWS
from scaling.analysis.powersum import PowerSum, Term


@LAWS.register("chinchilla")
class Chinchilla(PowerSum):
    """L = E + A N^-alpha + B D^-beta. Hoffmann et al. 2022, arXiv 2203.15556, equation 2."""

    name = "chinchilla"
    formula = "E + A · params^-alpha + B · examples^-beta"
    offset = "E"
    parameters = ("E", "A", "B", "alpha", "beta")
    terms = (Term("params", "A", "alpha"), Term("examples", "B", "beta"))
    example = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}  # noqa: RUF012
