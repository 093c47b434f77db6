"""The law in parameters, examples and sequence length."""

from __future__ import annotations

from scaling.analysis.law import LAWS
from scaling.analysis.powersum import PowerSum, Term


@LAWS.register("length")
class Length(PowerSum):
    """L = E + A N^-alpha + B D^-beta + G n^-gamma: Chinchilla's law and a term in history length.

    The third term is what a history cut at n events costs; it falls to 0 as n grows.
    """

    name = "length"
    formula = "E + A · params^-alpha + B · examples^-beta + G · seq_len^-gamma"
    offset = "E"
    parameters = ("E", "A", "B", "G", "alpha", "beta", "gamma")
    terms = (
        Term("params", "A", "alpha"),
        Term("examples", "B", "beta"),
        Term("seq_len", "G", "gamma"),
    )
    example = {  # noqa: RUF012
        "E": 0.4, "A": 5.0, "B": 20.0, "G": 0.3, "alpha": 0.25, "beta": 0.3, "gamma": 0.5,
    }  # fmt: skip
