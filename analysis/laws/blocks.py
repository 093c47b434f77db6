"""The power law towards a floor with the number of blocks as a factor."""

from __future__ import annotations

from scaling.analysis.law import LAWS
from scaling.analysis.powersum import PowerSum, Term


@LAWS.register("blocks")
class Blocks(PowerSum):
    """L = E + A C^-alpha N_b^-phi: at equal compute, twice the blocks change the part above the
    floor by the factor 2^-phi.
    """

    name = "blocks"
    formula = "E + A · compute^-alpha · blocks^-phi"
    offset = "E"
    terms = (Term("compute", "A", "alpha", factors=(("blocks", "phi"),)),)
    example = {"E": 0.45, "A": 30.0, "alpha": 0.2, "phi": 0.1}  # noqa: RUF012
