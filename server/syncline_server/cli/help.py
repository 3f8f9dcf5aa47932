"""Commands and groups whose help has sections, colour on a terminal, examples and exit statuses."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from .output_format import output_option

__all__ = ["EXIT_STATUSES", "Command", "Formatter", "Group", "set_formatter"]

EXIT_STATUSES = """\b
Exit status:
  0    done
  1    the server refused the request: a line on stderr shows code and status;
       without such a line, the reader of the output ended, or the answer to a
       question was no
  2    wrong usage, no credentials, or a question that nobody can answer: no
       terminal, and no --yes
  3    no connection, or no answer in time
  130  interrupted by Ctrl-C
"""
"""End of the help of a command."""

_SECTIONS = {
    "Server and login": ("url", "token", "identity", "service", "data_dir", "ca_cert"),
    "Output": ("output", "output_format", "full"),
}
"""Options with a section of their own, by title; all others stand first, under "Options"."""


class Formatter(click.HelpFormatter):
    """Headings and names in colour; click removes the colour where the output is no terminal."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """As in `click.HelpFormatter`."""
        super().write_usage(prog, args, _styled("Usage: ", bold=True))

    def write_heading(self, heading: str) -> None:
        """As in `click.HelpFormatter`."""
        self.write(f"{'':>{self.current_indent}}{_styled(f'{heading}:', bold=True)}\n")

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """As in `click.HelpFormatter`."""
        styled = [(_styled(name, fg="cyan"), text) for name, text in rows]
        super().write_dl(styled, col_max, col_spacing)


def _styled(text: str, **style: Any) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)


def set_formatter() -> None:
    """Let every help use `Formatter`."""
    click.Context.formatter_class = Formatter


class _WithExamples:
    """What commands and groups add to the help: examples, and exit statuses at the end."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        """`examples`: lines for a shell."""
        super().__init__(*arguments, **options)
        self._examples = examples
        self.epilog: str | None = getattr(self, "epilog", None) or EXIT_STATUSES

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As in `click.Command`: writes the examples and the epilog."""
        if self._examples:
            with formatter.section("Examples"):
                for example in self._examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        super().format_epilog(ctx, formatter)  # type: ignore[misc]


class Command(_WithExamples, click.Command):
    """A command with `--output`, unless `prints` is false, and its options in sections."""

    def __init__(self, *arguments: Any, prints: bool = True, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if prints:
            self.params.append(output_option())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As in `click.Command`: writes the options."""
        titles = {name: title for title, names in _SECTIONS.items() for name in names}
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        sections |= {title: [] for title in _SECTIONS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            # Arguments are explained in the text.
            if record is not None and isinstance(parameter, click.Option):
                sections[titles.get(parameter.name or "", "Options")].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(_WithExamples, click.Group):
    """A group of `Command`s; `sections` has the names of its commands by title."""

    command_class = Command

    def __init__(
        self, *arguments: Any, sections: Mapping[str, Sequence[str]] | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._sections = sections or {}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As in `click.Group`: writes the commands, in sections."""
        if not self._sections:
            return super().format_commands(ctx, formatter)
        limit = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        for title, names in self._sections.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(title):
                formatter.write_dl(
                    [(name, each.get_short_help_str(limit)) for name, each in found if each]
                )
