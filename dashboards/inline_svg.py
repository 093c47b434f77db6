"""An SVG document made fit to stand inside an HTML page."""

from __future__ import annotations

import re
from html import escape

from markupsafe import Markup


def inline(document: str, *, prefix: str, label: str) -> Markup:
    """The `<svg>` element alone: no prolog, metadata or comments, and ids of its own.

    Args:
        document: an SVG file's text, as matplotlib writes it.
        prefix: put before every id, so that two figures of a page don't share one.
        label: what a screen reader says.
    """
    element = document[document.index("<svg") :]
    element = re.sub(r"<!--.*?-->", "", element, flags=re.DOTALL)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\bid="', f'id="{prefix}-', element)
    element = re.sub(r"url\(#", f"url(#{prefix}-", element)
    element = re.sub(r'xlink:href="#', f'href="#{prefix}-', element)
    # In HTML the parser knows the namespace; no address is left in the page.
    element = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", element)
    head = f'<svg role="img" aria-label="{escape(label)}"'
    return Markup(element.replace("<svg", head, 1))
