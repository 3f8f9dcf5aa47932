"""The command group `syncline`, with all its subcommands."""

from __future__ import annotations

import os

import click

from syncline_protocol import __version__

from .bench import bench
from .doc import doc
from .exporting import export
from .failures import run_command
from .importing import import_
from .keys import keys
from .lists import list_
from .maps import map_
from .serve import serve
from .streams import stream
from .token import token
from .variables import unknown_variables
from .verify import verify
from .webhooks import webhooks

__all__ = ["program", "run"]


@click.group(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    }
)
@click.version_option(__version__, message="Syncline %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """Real-time documents over REST, WebSocket and server-sent events."""
    # `serve` logs this warning itself.
    if context.invoked_subcommand != serve.name:
        for sentence in unknown_variables(os.environ, program):
            click.echo(f"syncline: warning: {sentence}", err=True)


program.add_command(serve)
program.add_command(token)
program.add_command(doc)
program.add_command(list_)
program.add_command(map_)
program.add_command(stream)
program.add_command(verify)
program.add_command(bench)
program.add_command(import_)
program.add_command(export)
program.add_command(keys)
program.add_command(webhooks)


def run() -> int:
    """Run the command that `sys.argv` names, and return its exit status."""
    return run_command(lambda: program.main(prog_name="syncline", standalone_mode=False))
