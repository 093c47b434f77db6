"""What the pages hold: shell commands, commands named in a sentence, Python examples, links.

A command in a block may go on in further lines, by a backslash or an open quote.
"""

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
"""A line of a block that begins with one of these is a command; others are output, and
`test_no_command_hides_in_output` looks through those."""
LANGUAGES = ("", "sh", "shell", "python", "toml")
"""Of fenced blocks: in the first three commands are looked for, Python ones are examples."""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^(?: {4}.*|)\n)+", re.MULTILINE)
NAMED = re.compile(r"`((?:climber|python) [^`]+)`")
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


def blocks(path: Path) -> list[str]:
    """The blocks of a page in which commands and their output stand."""
    text = path.read_text()
    fenced = [body for language, body in FENCE.findall(text) if language not in ("python", "toml")]
    indented = INDENTED.findall(FENCE.sub("", text))
    return [*fenced, *(re.sub(r"^ {4}", "", one, flags=re.MULTILINE) for one in indented)]


def split(block: str) -> tuple[list[str], list[str]]:
    """The commands of a block and the other lines."""
    shown: list[str] = []
    output: list[str] = []
    lines = iter(re.sub(r"\\\n\s*", "", block).splitlines())
    for line in lines:
        first = next((word for word in line.split() if not ASSIGNMENT.match(word)), "")
        if first not in PROGRAMS:
            output.append(line)
            continue
        while _is_open(line) and (more := next(lines, None)) is not None:
            line = f"{line}\n{more}"
        shown.append(line)
    return shown, output


def _commands(path: Path) -> Iterator[Command]:
    page = path.relative_to(ROOT).as_posix()
    for block in blocks(path):
        shown, output = split(block)
        for line in shown:
            yield Command(page, tuple(shlex.split(line, comments=True)), inline=False)
        for span in NAMED.findall("\n".join(output)):  # as in "next: `climber list sweeps`"
            yield Command(page, tuple(shlex.split(span)), inline=True)
    sentences = re.sub(r"^ {4}.*$", "", FENCE.sub("", path.read_text()), flags=re.MULTILINE)
    for span in NAMED.findall(sentences):
        yield Command(page, tuple(shlex.split(span)), inline=True)


def _is_open(line: str) -> bool:
    try:
        shlex.split(line, comments=True)
    except ValueError:  # a quote that is closed further down
        return True
    return False
