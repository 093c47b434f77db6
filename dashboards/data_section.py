"""The report's section on the data: main facts and figures of each data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scaling.analysis.plots import svg
from scaling.analysis.portrait_figures import portrait_figures
from scaling.analysis.portrait_tables import portrait_facts
from scaling.dashboards.inline_svg import inline
from scaling.portrait import Portrait


@dataclass(frozen=True)
class DataShown:
    """A data set of the sweep."""

    name: str
    portrait: Portrait | None = None
    """None: it is not shown."""
    note: str = ""
    """Why it isn't, or what else a reader must know."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Besides the portrait's: licence, fingerprint."""


def data_section(shown: DataShown, prefix: str) -> dict[str, Any]:
    """Title, notes, a table of facts and figures, for the page.

    Args:
        prefix: of the ids in the figures, which no other figure of the page has.
    """
    notes = [shown.note] if shown.note else []
    if shown.portrait is None:
        return {"title": shown.name, "notes": notes, "table": None, "figures": []}
    figures, skipped = portrait_figures(shown.portrait)
    notes += [f"Not drawn: {one.name} ({one.reason})." for one in skipped]
    facts = {**shown.facts, **portrait_facts(shown.portrait)}
    return {
        "title": shown.name,
        "notes": notes,
        "table": (["fact", "value"], [[name, value] for name, value in facts.items()]),
        "figures": [
            {"title": one.title, "svg": inline(svg(one), prefix=f"{prefix}{i}-", label=one.title)}
            for i, one in enumerate(figures)
        ],
    }
