"""Every command that a page shows is one that the command line takes; every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from scaling.cli import main

from .pages import (
    FENCE,
    LANGUAGES,
    NAMED,
    PAGES,
    ROOT,
    Command,
    anchors,
    blocks,
    climber,
    commands,
    links,
    split,
)

COMMANDS = [(command, words) for command in commands() if (words := climber(command)) is not None]


def resolve(words: tuple[str, ...]) -> tuple[click.Command, str, list[str]]:
    """The (sub)command that the words name, and the words that are left for it."""
    command: click.Command = main
    name, rest = "climber", list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        with click.Context(command, info_name=name) as context:
            chosen, found, rest = command.resolve_command(context, rest)
        assert found is not None
        assert chosen is not None
        name, command = chosen, found
    return command, name, rest


def parse(command: Command, words: tuple[str, ...]) -> click.Command:
    """What would run; raises what click says of an unknown command, option or value, or of a
    missing argument."""
    found, name, rest = resolve(words)
    known = {option for one in found.params for option in (*one.opts, *one.secondary_opts)}
    options = {word.split("=")[0] for word in rest if re.match(r"-{1,2}[a-z]", word)}
    unknown = options - known - {"--help", "-h", "--version"}
    if unknown:
        raise click.NoSuchOption(sorted(unknown)[0])
    # Within a sentence, "`climber fit --bootstrap`" names an option and "..." stands for the rest.
    named = all(word.startswith("-") for word in rest) or "..." in rest
    if not (command.inline and named) and not options & {"--help", "-h", "--version"}:
        found.make_context(name, list(rest))
    return found


@pytest.mark.parametrize(("command", "words"), COMMANDS, ids=[str(one) for one, _ in COMMANDS])
def test_the_command_line_takes_it(command: Command, words: tuple[str, ...]) -> None:
    assert parse(command, words).name != main.name


@pytest.mark.parametrize(
    "line",
    ["climber fitt SWEEP", "climber fit SWEEP --boot", "climber fit SWEEP --bootstrap many",
     "climber plot SWEEP", "climber data prepar table"],
)  # fmt: skip
def test_a_wrong_command_is_noticed(line: str) -> None:
    words = tuple(line.split())
    with pytest.raises(click.UsageError):
        parse(Command("a page", words, inline=False), words[1:])


def test_all_pages_show_commands_to_check() -> None:
    assert len(COMMANDS) > 80
    assert {command.page for command, _ in COMMANDS} >= {"README.md", "docs/first-sweep.md"}


PROGRAM = re.compile(
    r"(?:^|[\s;&|(`$])(?:\S*/)?(climber|python3?|mlflow|make|pip|uv|ray|docker|bash|sudo|srun|wget) [\w./-]"
)
"""What a command looks like, wherever in a line it begins."""


@pytest.mark.parametrize("page", PAGES, ids=[path.name for path in PAGES])
def test_no_command_hides(page: Path) -> None:
    """In a block that isn't looked through, behind a prompt or another program, or in output."""
    text = page.read_text()
    assert {language for language, _ in FENCE.findall(text)} <= set(LANGUAGES)
    rest = FENCE.sub("", text)
    assert "```" not in rest, "a fence that is indented or isn't closed"
    assert not re.search(r"~~~|<pre|<code", rest)
    for block in blocks(page):
        for line in split(block)[1]:
            assert not PROGRAM.search(NAMED.sub("", line)), (
                f"a command that isn't read as one: {line}"
            )
            assert not re.match(r"(from \S+ )?import ", line), f"Python outside an example: {line}"


@pytest.mark.parametrize(
    "line",
    ["$ climber fit SWEEP", "nice climber fit SWEEP", "(climber fit)", "python3 -m scaling.cli"],
)
def test_a_hidden_command_is_noticed(line: str) -> None:
    shown, output = split(line)
    assert not shown
    assert PROGRAM.search(output[0])


def test_make_knows_its_targets() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        word for command in commands() if "make" in command.words for word in command.words[-1:]
    }
    assert asked
    assert asked <= targets


@pytest.mark.parametrize("page", PAGES, ids=[path.name for path in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name} links to {target}, which doesn't exist"
        assert not anchor or anchor in anchors(path), f"{page.name}: no heading for {target}"


def test_the_readme_leads_to_every_page() -> None:
    """Directly, or through the list of pages."""
    reached = {(ROOT / "README.md")}
    for page in (ROOT / "README.md", ROOT / "docs" / "index.md"):
        names = (target.partition("#")[0] for target in links(page))
        reached |= {(page.parent / name).resolve() for name in names if name.endswith(".md")}
    assert not set(PAGES) - reached


def test_every_picture_is_shown_and_small() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for target in links(page)}
    pictures = set((ROOT / "docs" / "images").glob("*.png"))
    assert pictures <= shown
    for picture in pictures:
        assert picture.stat().st_size < 200_000, f"{picture.name} is larger than 200 kB"
