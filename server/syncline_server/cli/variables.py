"""Warnings about environment variables that begin with `SYNCLINE_` but that no command reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import click

from syncline_server.config.secret_variables import SECRET_VARIABLES

__all__ = ["unknown_variables"]

_PREFIX = "SYNCLINE_"

# Variables that are read but belong to no option; `syncline.testing` and compose.yaml read the last
# two.
_OTHERS = (
    "SYNCLINE_ACCOUNT_SID",
    "SYNCLINE_AUTH_TOKEN",
    "SYNCLINE_API_KEY_SID",
    "SYNCLINE_API_KEY_SECRET",
    "SYNCLINE_API_KEYS",
    "SYNCLINE_MASTER_KEY",
    "SYNCLINE_CONSOLE_OIDC_SECRET",
    "SYNCLINE_FROM_API_KEY_SID",
    "SYNCLINE_FROM_API_KEY_SECRET",
    "SYNCLINE_FROM_AUTH_TOKEN",
    "SYNCLINE_COMMAND",
    "SYNCLINE_PUBLISH",
)


_FILES = tuple(f"{name}_FILE" for name in SECRET_VARIABLES)


def unknown_variables(names: Iterable[str], program: click.Command) -> list[str]:
    """A warning for each name that begins with `SYNCLINE_` but that no command reads.

    The values of these variables are never shown: they may be secrets.
    """
    given = {name for name in names if name.startswith(_PREFIX)}
    # First the commands that are imported already: to look at all would import all.
    loaded = program.commands.values() if isinstance(program, click.Group) else ()
    known = {*_OTHERS, *_FILES, *(name for command in loaded for name in _variables(command))}
    if given <= known:
        return []
    known.update(_variables(program))
    return [_sentence(name, known) for name in sorted(given - known)]


def _sentence(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), 1, cutoff=0.8)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"the variable {name} is unknown and has no effect{hint}"


def _variables(command: click.Command) -> Iterator[str]:
    """Names of the variables that set the options of a command and of its subcommands."""
    for parameter in command.params:
        if isinstance(parameter.envvar, str):
            yield parameter.envvar
        else:
            yield from parameter.envvar or ()
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            assert subcommand is not None
            yield from _variables(subcommand)
