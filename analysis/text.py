"""How wide a text is when it is drawn, and where it is broken so that it fits."""

from __future__ import annotations

import functools

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags

from scaling.analysis import style

MARGIN = 1.04
"""Letters are set on whole pixels, and so a text is up to a few percent wider."""
LONGEST = 4000
"""Characters of a text that are laid out; what is longer loses its middle."""


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Of one line in inches, at a size in points."""
    return MARGIN * size / 72.0 * sum(_advance(character, bold) for character in text)


def wrapped(
    text: str, width: float, size: float, *, bold: bool = False, most: int | None = None
) -> list[str]:
    """Lines no wider than `width` inches; a word that is wider is broken.

    Args:
        most: lines; the last one then ends in an ellipsis.
    """
    lines: list[str] = []
    line = ""
    for word in style.short(text, LONGEST).split(" "):
        joined = f"{line} {word}" if line else word
        if width_of(joined, size, bold=bold) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while width_of(line, size, bold=bold) > width and len(line) > 1:
            fits = _fitting(line, width, size, bold)
            lines.append(line[:fits])
            line = line[fits:]
    lines.append(line)
    if most is not None and len(lines) > most:
        last = lines[most - 1]
        while last and width_of(f"{last}…", size, bold=bold) > width:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last}…"]
    return lines


def _fitting(word: str, width: float, size: float, bold: bool) -> int:
    """How many characters fit; at least one."""
    used = 0.0
    for count, character in enumerate(word):
        used += width_of(character, size, bold=bold)
        if used > width:
            return max(count, 1)
    return len(word)


@functools.lru_cache(maxsize=4096)
def _advance(character: str, bold: bool) -> float:
    """Width of a character, as a share of the font's size."""
    font = get_font(findfont(_font(bold)))
    font.set_size(100, 72)
    index = font.get_char_index(ord(character))
    glyph = font.load_glyph(index, flags=LoadFlags.NO_HINTING)
    share = float(glyph.linearHoriAdvance) / 65536.0 / 100.0
    return share if index else max(share, 1.0)  # drawn as a box, or by another font, as a square


def _font(bold: bool) -> FontProperties:
    return FontProperties(family=style.STYLE["font.family"], weight="bold" if bold else "normal")
