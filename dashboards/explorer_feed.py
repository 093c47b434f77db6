"""Where the explorer's runs come from, as the app sees it: whoever starts it gives the reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd


@dataclass(frozen=True)
class Snapshot:
    """The runs that are known at one moment."""

    version: str
    """Another text for every change of `runs`; the same runs have the same one."""
    runs: pd.DataFrame
    """Rows of the run table (see `scaling.runs`), with text `run_id`, unique; empty before the first."""
    complete: bool
    """Whether everything the source holds has been read once."""
    problem: str = ""
    """Why nothing newer can be read, with the cure; `runs` are the last known."""

    @property
    def reading(self) -> str:
        """How far reading is, in words; empty when it is done."""
        if self.complete or self.problem:
            return ""
        return f"{len(self.runs):,} runs read, more to come"


@dataclass(frozen=True)
class Link:
    """Where a run is shown beside the explorer."""

    address: str = ""
    """Of MLflow's page of the run; empty where none answers."""
    words: str = ""
    """What to do instead."""


class Feed(Protocol):
    """Reads runs in the background; every method returns at once or raises `ValueError`."""

    name: str
    """What the runs come from, for the page's head."""

    def sweeps(self) -> Sequence[str]:
        """What there is to choose from.

        Raises:
            ValueError: the source can't be read; the message names the cure.
        """
        ...

    def snapshot(self, sweeps: Sequence[str]) -> Snapshot:
        """What is known of these sweeps; reading what is new of them goes on in the background."""
        ...

    def again(self) -> None:
        """Read everything once more: runs may have been deleted or changed."""
        ...

    def link(self, sweep: str, run_id: str) -> Link:
        """Where that run can be looked at; may ask MLflow for a moment."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...
