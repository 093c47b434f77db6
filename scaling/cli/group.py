"""A group whose help says the whole first sentence of each command."""

from __future__ import annotations

import click

LONGEST = 300
"""Characters of a sentence; click's own limit is what fits on the line."""


class Group(click.Group):
    """See the module."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Like click's, without its cut."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, one.get_short_help_str(LONGEST)) for name, one in found if one is not None]
            )
