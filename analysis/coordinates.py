"""Working coordinates that most laws share: logs of what is positive, moved to the data's centre."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from scaling.analysis.law import Array, Law

Shift = tuple[str, str | None]
"""A variable, and the parameter its centre is multiplied by (None: by 1)."""


class Centred(Law):
    """A law whose working parameters are the raw ones, or their logs at the centre of the data.

    An amplitude of A x^-alpha is worked with as its term's value at the centre, ln A - alpha c,
    where c is the mean of ln x; a position such as a break point as its distance from the centre.
    """

    shifts: ClassVar[Mapping[str, tuple[Shift, ...]]]
    """Parameters that are logs: ln raw = working + sum over shifts of c_variable · parameter."""

    def to_raw(self, theta: Array, centre: Array) -> Array:
        raw = theta.copy()
        for place, moves in self._moves():
            shift = sum(centre[v] * (1.0 if k is None else theta[..., k]) for v, k in moves)
            raw[..., place] = np.exp(theta[..., place] + shift)
        return raw

    def to_working(self, raw: Array, centre: Array) -> Array:
        theta = raw.copy()
        for place, moves in self._moves():
            shift = sum(centre[v] * (1.0 if k is None else raw[..., k]) for v, k in moves)
            theta[..., place] = np.log(raw[..., place]) - shift
        return theta

    def raw_gradient(self, theta: Array, centre: Array) -> Array:
        raw = self.to_raw(theta, centre)
        gradient = np.eye(len(self.parameters))
        for place, moves in self._moves():
            gradient[place, place] = raw[place]
            for v, k in moves:
                if k is not None:
                    gradient[place, k] += raw[place] * centre[v]
        return gradient

    def _moves(self) -> list[tuple[int, list[tuple[int, int | None]]]]:
        """`shifts` by places among the parameters and the variables."""
        place = self.parameters.index
        return [
            (
                place(name),
                [(self.variables.index(v), None if by is None else place(by)) for v, by in moves],
            )
            for name, moves in self.shifts.items()
        ]
