"""A command group that imports a subcommand when it is needed.

`syncline serve` would else import the clients, the bench and `verify` at each start.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from syncline_server.runtime.loading import loading

from .help import Group

__all__ = ["LazyGroup"]


class LazyGroup(Group):
    """Its subcommands are named by module and attribute."""

    def __init__(self, *arguments: Any, places: Mapping[str, str], **options: Any) -> None:
        """`places`: by the name of the subcommand, `module:attribute`."""
        super().__init__(*arguments, **options)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As in `click.Group`; imports nothing."""
        return sorted(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """As in `click.Group`."""
        if cmd_name not in self.commands and cmd_name in self._places:
            name, _, attribute = self._places[cmd_name].partition(":")
            with loading():
                module = import_module(name)
            self.add_command(getattr(module, attribute), cmd_name)
        return self.commands.get(cmd_name)
