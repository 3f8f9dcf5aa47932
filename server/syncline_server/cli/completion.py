"""`syncline completion`: completion of commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import FishComplete, get_completion_class

from .help import Command

__all__ = ["completion"]

VARIABLE = "_SYNCLINE_COMPLETE"


@click.command(
    cls=Command,
    prints=False,
    examples=(
        'eval "$(syncline completion bash)"      # in ~/.bashrc',
        'eval "$(syncline completion zsh)"       # in ~/.zshrc',
        "syncline completion fish > ~/.config/fish/completions/syncline.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes commands and options in a shell."""
    kind = _Fish if shell == "fish" else get_completion_class(shell)
    assert kind is not None
    program = context.find_root().command
    click.echo(kind(program, {}, "syncline", VARIABLE).source())


class _Fish(FishComplete):
    """Click's script would end each description at its first comma."""

    source_template = FishComplete.source_template.replace("split", "split --max 1", 1)
