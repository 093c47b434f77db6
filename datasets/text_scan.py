"""Reading a text file as bytes, once: how many rows it has, and whether they are text at all.

The count is made without the engine that parses the rows later, so that none is lost silently.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

CHUNK = 2**22
BOM = codecs.BOM_UTF8
LF, CR, QUOTE = 10, 13, 34


@dataclass(frozen=True)
class Scan:
    """What a file holds."""

    rows: int
    """Records with at least one byte, a header among them."""
    newline: str
    """How lines end: LF, or CR LF."""
    first: str
    """The first line, without its end and without a byte order mark."""


def is_compressed(path: Path) -> bool:
    """Whether a file is gzip's, told by its name."""
    return path.suffix.lower() == ".gz"


def scan(path: Path, *, quoting: bool) -> Scan:
    """Counts the rows of a file.

    Args:
        quoting: whether a value in double quotes may hold line ends; they do not count then.

    Raises:
        ValueError: no such file, truncated gzip, NUL, bytes that are not UTF-8, an open quote at
            the end, lines that end in several ways; with the line.
    """
    counter = _Counter(path, quoting)
    first, position = b"", 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    for chunk in read_chunks(path):
        if position == 0:
            chunk = chunk.removeprefix(BOM)
            if not chunk:
                continue
        if len(first) < CHUNK and b"\n" not in first:
            first += chunk
        if (place := chunk.find(b"\0")) >= 0:
            raise ValueError(f"{path}, line {counter.line_of(chunk, place)}: holds a NUL byte")
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            # Bytes kept from the chunk before come first in what was decoded.
            place = max(0, error.start - (len(error.object) - len(chunk)))
            byte = error.object[error.start]
            raise ValueError(
                f"{path}, line {counter.line_of(chunk, place)}: byte 0x{byte:02x} is not UTF-8"
            ) from error
        counter.add(chunk)
        position += len(chunk)
    if decoder.getstate()[0]:
        raise ValueError(f"{path}, line {counter.lines + 1}: ends in the middle of a character")
    rows, newline = counter.finish()
    return Scan(rows, newline, first.split(b"\n", 1)[0].rstrip(b"\r").decode())


def read_chunks(path: Path) -> Iterator[bytes]:
    """The content of a file, plain or gzip, none of the chunks empty.

    Raises:
        ValueError: it can't be read or unpacked, with the reason.
    """
    try:
        with open_binary(path) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except EOFError as error:
        raise ValueError(f"{path} is cut off: its gzip stream has no end; get it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is no whole gzip file ({error}); get it again") from error
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror or error}") from error


def open_binary(path: Path) -> BinaryIO:
    """The file, unpacked as it is read where it is gzip's."""
    return cast(BinaryIO, gzip.open(path) if is_compressed(path) else path.open("rb"))


class _Counter:
    """Counts rows chunk by chunk."""

    def __init__(self, path: Path, quoting: bool) -> None:
        self.path = path
        self.quoting = quoting
        self.lines = 0
        """Line feeds so far, those in quotes among them."""
        self.rows = 0
        self.newline = ""
        self.quoted = False
        """Whether the chunk before ended within quotes."""
        self.quote_line = 0
        """Of the last quote."""
        self.pending = 0
        """Bytes of the row that the chunk before left open."""
        self.last = 0
        """The last byte of the chunk before."""

    def line_of(self, chunk: bytes, place: int) -> int:
        return self.lines + chunk.count(b"\n", 0, place) + 1

    def add(self, chunk: bytes) -> None:
        values = np.frombuffer(chunk, np.uint8)
        feeds = np.flatnonzero(values == LF)
        self._check_ends(chunk, values, feeds)
        ends = feeds
        if self.quoting and (self.quoted or QUOTE in chunk):
            inside = (np.cumsum(values == QUOTE) + self.quoted) % 2 == 1
            ends = feeds[~inside[feeds]]
            self.quoted = bool(inside[-1])
            if (place := chunk.rfind(b'"')) >= 0:
                self.quote_line = self.line_of(chunk, place)
        # The bytes of every row that ends here; a carriage return alone is a blank line.
        sizes = np.diff(ends, prepend=-1 - self.pending) - 1
        if len(ends):
            before = values[np.maximum(ends - 1, 0)]
            if ends[0] == 0:
                before[0] = self.last
            self.rows += int(((sizes > 1) | ((sizes == 1) & (before != CR))).sum())
            self.pending = len(chunk) - 1 - int(ends[-1])
        else:
            self.pending += len(chunk)
        self.lines += len(feeds)
        self.last = chunk[-1]

    def finish(self) -> tuple[int, str]:
        if self.quoted:
            raise ValueError(
                f"{self.path}, line {self.quote_line}: a quote is opened and never closed; "
                "the file may be truncated: get it again"
            )
        if self.last == CR:
            raise self._stray(self.lines + 1)
        return self.rows + (self.pending > 0), self.newline or "\n"

    def _check_ends(self, chunk: bytes, values: Bytes, feeds: Ints) -> None:
        """Refuses a carriage return without a line feed, and line ends of two kinds."""
        plain = not self.quoting  # quoted text has line ends of its own
        if plain and self.last == CR and chunk[0] != LF:
            raise self._stray(self.lines + 1)
        if not len(feeds):
            if plain and CR in chunk[:-1]:
                raise self._stray(self.lines + 1)
            return
        before = values[np.maximum(feeds - 1, 0)]
        if feeds[0] == 0:
            before[0] = self.last
        returns = before == CR
        if not self.newline:
            self.newline = "\r\n" if returns[0] else "\n"
        if not plain:
            return
        other = np.flatnonzero(returns != (self.newline == "\r\n"))
        if len(other):
            names = ("CR LF", "LF") if self.newline == "\r\n" else ("LF", "CR LF")
            raise ValueError(
                f"{self.path}, line {self.lines + int(other[0]) + 1}: ends in {names[1]}, the lines "
                f"before in {names[0]}; make them alike (dos2unix)"
            )
        if CR in chunk:
            stray = np.flatnonzero(values == CR)
            stray = stray[stray < len(values) - 1]
            stray = stray[values[stray + 1] != LF]
            if len(stray):
                raise self._stray(self.line_of(chunk, int(stray[0])))

    def _stray(self, line: int) -> ValueError:
        return ValueError(
            f"{self.path}, line {line}: holds a carriage return (CR) that ends no line; lines end "
            "in LF or CR LF"
        )
