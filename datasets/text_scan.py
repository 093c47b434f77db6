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

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

CHUNK = 2**22
LONGEST_HEADER = 2**20
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
        if len(first) < LONGEST_HEADER and b"\n" not in first:
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
        outside = np.ones(1, bool)
        begins_quoted = self.quoted
        if self.quoting and (self.quoted or QUOTE in chunk):
            outside = (np.cumsum(values == QUOTE) + self.quoted) % 2 == 0
            self.quoted = not outside[-1]
            if (place := chunk.rfind(b'"')) >= 0:
                self.quote_line = self.line_of(chunk, place)
        ends = np.flatnonzero((values == LF) & outside)
        before = values[np.maximum(ends - 1, 0)]
        if len(ends) and ends[0] == 0:
            before[0] = self.last
        if self.last == CR and not begins_quoted and chunk[0] != LF:
            raise self._stray(self.lines + 1)
        if CR in chunk:
            returns = np.flatnonzero((values[:-1] == CR) & outside[: len(values) - 1])
            stray = returns[values[returns + 1] != LF]
            if len(stray):
                raise self._stray(self.line_of(chunk, int(stray[0])))
        self._check_ends(chunk, ends, before == CR)
        # The bytes of every row that ends here; a carriage return alone is a blank line.
        sizes = np.diff(ends, prepend=-1 - self.pending) - 1
        self.rows += int(((sizes > 1) | ((sizes == 1) & (before != CR))).sum())
        if len(ends):
            self.pending = len(chunk) - 1 - int(ends[-1])
        else:
            self.pending += len(chunk)
        self.lines += chunk.count(b"\n")
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

    def _check_ends(self, chunk: bytes, ends: Ints, returns: Flags) -> None:
        """Refuses rows that end in CR LF where others end in LF."""
        if not len(ends):
            return
        self.newline = self.newline or ("\r\n" if returns[0] else "\n")
        other = np.flatnonzero(returns != (self.newline == "\r\n"))
        if len(other):
            names = ("CR LF", "LF") if self.newline == "\r\n" else ("LF", "CR LF")
            line = self.line_of(chunk, int(ends[other[0]]))
            raise ValueError(
                f"{self.path}, line {line}: ends in {names[1]}, the lines before in {names[0]}; "
                "make them alike (dos2unix)"
            )

    def _stray(self, line: int) -> ValueError:
        return ValueError(
            f"{self.path}, line {line}: holds a carriage return (CR) that ends no line; lines end "
            "in LF or CR LF"
        )
