"""Numbers as people read them, and files that are never half-written."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
MISSING = "–"
"""What stands for a number that is not there."""


def format_si(value: float | None, unit: str = "", digits: int = 2) -> str:
    """A number in few characters: `1.3e6` alone, `2.1 GFLOP` with a unit.

    Args:
        value: the number; None and NaN are written as a dash.
        unit: written behind an SI prefix; the number stands alone where it is empty.
        digits: significant digits.
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return ("-" if value < 0 else "") + "∞" + (f" {unit}" if unit else "")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if not unit:
        if -3 <= power < 3:
            return _trim(f"{value:.{max(digits - 1 - power, 0)}f}")
        return f"{_trim(mantissa)}e{power}"
    step = min(max(power // 3, 0), len(_PREFIXES) - 1)
    scaled = float(f"{mantissa}e{power - 3 * step}")
    shown = f"{scaled:.{max(digits - 1 - (power - 3 * step), 0)}f}" if power >= 0 else f"{value:g}"
    return f"{_trim(shown)} {_PREFIXES[step]}{unit}"


def counted(number: int, thing: str) -> str:
    """A number of things: `1 run`, `2 runs`, `10,000 runs`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def format_share(share: float) -> str:
    """A share of 1 in few digits: `12.3 %`, `0.44 %`, `0.012 %`. Only none and all are `0 %` and
    `100 %`."""
    percent = 100 * share
    if percent in (0, 100):
        return f"{percent:.0f} %"
    if percent < 0.0005:
        return "< 0.001 %"
    if percent >= 99.95:
        return "> 99.9 %"
    digits = 1 if percent >= 1 else 2 if percent >= 0.1 else 3
    return f"{percent:.{digits}f} %"


def parse_bytes(text: str) -> int:
    """A number of bytes such as `4GB`, `512MB`, `1.5GiB` or `1000000`; `ValueError` for others."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kMGT]?)(i?)B)?", text.strip())
    if not found:
        raise ValueError(f"{text!r} is no number of bytes; valid: such as 4GB, 512MB or 1.5GiB")
    step = 1024 if found[3] else 1000
    return int(float(found[1]) * step ** _PREFIXES.index(found[2] or ""))


def plain(value: object) -> Any:
    """The value as JSON data: numpy numbers as Python's, tuples as lists, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    return str(value)


def file_name(title: str) -> str:
    """The title with a dash for each character that a file's name had better not hold."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in title)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) aside, then rename it: a partly written one never bears the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write `plain(value)` as indented JSON, aside and then renamed; holds no NaN or infinity."""
    write_text(path, json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def _trim(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number
