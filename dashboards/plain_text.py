"""Names from anywhere, made fit to be shown: one line, bounded, nothing that a page would obey."""

from __future__ import annotations

import unicodedata
from html import escape

from scaling.analysis import style

LINES, MOST = 40, 20_000
"""Lines of a text of several, and its characters before it is cut."""
LONGEST = 80
"""Characters of a name that are shown; the middle of a longer one is left out."""


def shown(text: object, longest: int = LONGEST) -> str:
    """A value as one short line; invisible characters, which can turn the line around, as `�`."""
    # No line is made of more than is shown: a name may be a megabyte long.
    words = style.short(str(text), 4 * longest)
    if words.isprintable():
        return style.short(words, longest)
    visible = "".join(" " if c in "\n\t\r" else "\ufffd" if _unseen(c) else c for c in words)
    return style.short(visible, longest)


def markup(text: object, longest: int = LONGEST) -> str:
    """The same for plotly, which takes some HTML in every text, and fills in `%{...}` in some."""
    return escape(shown(text, longest), quote=False).replace("%{", "&#37;{")


def lines_of(text: str) -> str:
    """Several lines for plotly."""
    return "<br>".join(markup(line) for line in text[:MOST].splitlines()[:LINES])


def _unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
