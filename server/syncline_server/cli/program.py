"""The command group `syncline`, with all its subcommands."""

from __future__ import annotations

import os

import click

from syncline_protocol import __version__
from syncline_server.config.secret_variables import read_secret_files

from .failures import run_command
from .lazy_group import LazyGroup
from .variables import unknown_variables

__all__ = ["program", "run"]


_PLACES = {
    "bench": "bench:bench",
    "config": "config:config",
    "doc": "doc:doc",
    "export": "exporting:export",
    "import": "importing:import_",
    "keys": "keys:keys",
    "list": "lists:list_",
    "map": "maps:map_",
    "serve": "serve:serve",
    "stream": "streams:stream",
    "token": "token:token",
    "verify": "verify:verify",
    "webhooks": "webhooks:webhooks",
}


@click.group(
    cls=LazyGroup,
    places={name: f"{__package__}.{place}" for name, place in _PLACES.items()},
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
)
@click.version_option(__version__, message="Syncline %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """Real-time documents over REST, WebSocket and server-sent events."""
    os.environ.update(read_secret_files(os.environ))
    # `serve` logs this warning itself.
    if context.invoked_subcommand != "serve":
        for sentence in unknown_variables(os.environ, program):
            click.echo(f"syncline: warning: {sentence}", err=True)


def run() -> int:
    """Run the command that `sys.argv` names, and return its exit status."""
    return run_command(lambda: program.main(prog_name="syncline", standalone_mode=False))
