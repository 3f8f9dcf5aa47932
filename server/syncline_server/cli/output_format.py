"""The option `--output`: a table, JSON lines or YAML."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Literal, cast

import click

__all__ = ["Format", "output_format", "output_option", "plain_output_option", "to_yaml"]

Format = Literal["table", "json", "yaml"]

_KEY = "syncline.output"
"""Where a context keeps the format that the user chose."""


def plain_output_option(table: str) -> click.Option:
    """The option for a command whose output scripts take as it is; they need not name a format.

    So its default is not that of `output_option`, and SYNCLINE_OUTPUT does not count.

    Args:
        table: what "table" prints.
    """
    return click.Option(
        ["--output", "-o", "output_format"],
        type=click.Choice(["table", "json", "yaml"]),
        help=f"How to print: {table} (table), JSON, or YAML.",
        default="table",
        show_default=True,
        expose_value=False,
        callback=_choose,
    )


def output_option(*names: str) -> click.Option:
    """The option; its value is found by `output_format`.

    Args:
        names: of the option, `--output` and `-o` by default.
    """
    return click.Option(
        [*(names or ("--output", "-o")), "output_format"],
        type=click.Choice(["table", "json", "yaml"]),
        help="How to print: a table for people, one JSON value a line, or YAML.",
        envvar="SYNCLINE_OUTPUT",
        show_envvar=True,
        show_default="table on a terminal, else json",
        expose_value=False,
        callback=_choose,
    )


def output_format() -> Format:
    """The format that the user chose, or else that for the kind of stdout."""
    context = click.get_current_context(silent=True)
    chosen = context.meta.get(_KEY) if context else None
    if chosen is not None:
        return cast(Format, chosen)
    return "table" if sys.stdout.isatty() else "json"


def to_yaml(value: Any) -> str:
    """`value` as YAML; all its values are those of JSON."""
    text = _yaml().safe_dump(value, sort_keys=False, allow_unicode=False, width=100)
    return cast(str, text)


def _choose(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value == "yaml":
        _yaml()
    if value is not None:
        context.meta[_KEY] = value


def _yaml() -> Any:
    try:
        return import_module("yaml")
    except ImportError:
        raise click.UsageError(
            "-o yaml needs PyYAML: pip install 'syncline-server[yaml]'."
        ) from None
