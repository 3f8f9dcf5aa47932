"""The command group `syncline`, with all its subcommands."""

from __future__ import annotations

import os

import click

from syncline_protocol import __version__
from syncline_server.config.secret_variables import read_secret_files

from .failures import run_command
from .help import set_formatter
from .lazy_group import LazyGroup
from .profiles import profile_option, profile_variables, use_variables
from .variables import unknown_variables

__all__ = ["program", "run"]


_PLACES = {
    "bench": "bench:bench",
    "completion": "completion:completion",
    "config": "config:config",
    "connections": "connections:connections",
    "doc": "doc:doc",
    "export": "exporting:export",
    "import": "importing:import_",
    "keys": "keys:keys",
    "list": "lists:list_",
    "map": "maps:map_",
    "permissions": "permissions:permissions",
    "serve": "serve:serve",
    "services": "services:services",
    "status": "status:status",
    "stream": "streams:stream",
    "tail": "tail:tail",
    "token": "token:token",
    "verify": "verify:verify",
    "webhooks": "webhooks:webhooks",
}

_SECTIONS = {
    "Run a server": ("serve", "status", "connections", "tail", "config"),
    "Read and write": ("doc", "list", "map", "stream"),
    "Manage": ("services", "permissions", "keys", "token", "webhooks"),
    "Copy": ("export", "import"),
    "Test": ("verify", "bench"),
    "Shell": ("completion",),
}

_NO_CLIENTS = ("serve", "config")
"""Commands whose variables are a server's: a profile is none of theirs."""


@click.group(
    cls=LazyGroup,
    places={name: f"{__package__}.{place}" for name, place in _PLACES.items()},
    sections=_SECTIONS,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
    examples=(
        "syncline serve",
        """syncline doc set lobby '{"players": 1}'""",
        "syncline doc watch lobby",
        "syncline --profile production services list",
        "syncline COMMAND --help",
    ),
)
@click.version_option(__version__, message="Syncline %(version)s")
@profile_option
@click.pass_context
def program(context: click.Context, profile: str | None) -> None:
    """Real-time documents over REST, WebSocket and server-sent events."""
    if context.invoked_subcommand not in _NO_CLIENTS and profile is not None:
        use_variables(context, profile_variables(profile, os.environ))
    elif context.get_parameter_source("profile") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--profile is for commands that use a server, not for its own.")
    os.environ.update(read_secret_files(os.environ))
    # `serve` logs this warning itself.
    if context.invoked_subcommand != "serve":
        for sentence in unknown_variables(os.environ, program):
            click.echo(f"syncline: warning: {sentence}", err=True)


def run() -> int:
    """Run the command that `sys.argv` names, and return its exit status."""
    set_formatter()
    return run_command(lambda: program.main(prog_name="syncline", standalone_mode=False))
