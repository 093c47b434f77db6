"""What the pages hold: shell commands, commands named in a sentence, Python examples, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

PROGRAMS = (
    "climber", "make", "pip", "uv", "python", "git", "source", "ray", "mlflow", "curl", "cd",
    "sbatch", "chmod", "export", ".venv/bin/pre-commit", ".venv/bin/python",
)  # fmt: skip
"""A line of a block that begins with one of these is a command; others are output."""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ASSIGNMENT = re.compile(r"[A-Z_]+=\S+$")
LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Command:
    """A shell command as a page shows it."""

    page: str
    words: tuple[str, ...]
    inline: bool
    """Named within a sentence, where what is understood may be left out."""

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def commands() -> list[Command]:
    """Every shell command of every page, in order, each once per page."""
    found = (command for path in PAGES for command in _commands(path))
    return list(dict.fromkeys(found))


def climber(command: Command) -> tuple[str, ...] | None:
    """The words after `climber`, also where another program starts it; None without it."""
    for at, word in enumerate(command.words):
        if word == "climber" and not command.words[at - 1].startswith("-m"):
            return command.words[at + 1 :]
        if "/climber " in word:  # one quoted word for a remote shell
            return tuple(shlex.split(word)[1:])
    return None


def python_examples(path: Path) -> list[str]:
    """The fenced Python blocks of a page."""
    return [text for language, text in FENCE.findall(path.read_text()) if language == "python"]


def links(path: Path) -> list[str]:
    """Targets of a page's links and pictures."""
    return LINK.findall(FENCE.sub("", path.read_text()))


def anchors(path: Path) -> set[str]:
    """The names by which a page's headings are linked, as GitHub makes them."""
    text = FENCE.sub("", path.read_text())
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def _commands(path: Path) -> Iterator[Command]:
    text = path.read_text()
    page = path.relative_to(ROOT).as_posix()
    blocks = [body for language, body in FENCE.findall(text) if language in ("", "sh", "shell")]
    prose = FENCE.sub("", text)
    indented = re.findall(r"(?:^(?: {4}.*|)\n)+", prose, flags=re.MULTILINE)
    for block in (*blocks, *indented):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            first = next((w for w in line.split() if not ASSIGNMENT.match(w)), "")
            if first in PROGRAMS:
                yield Command(page, _words(line), inline=False)
    sentences = re.sub(r"^ {4}.*$", "", prose, flags=re.MULTILINE)
    for span in re.findall(r"`(climber [^`]+)`", sentences):
        yield Command(page, _words(" ".join(span.split())), inline=True)


def _words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line, comments=True))
    except ValueError:  # a quote that goes on in the next lines, as a body of JSON does
        return tuple(line.split())
