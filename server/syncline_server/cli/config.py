"""`syncline config`: checks and shows the settings of a server, without starting it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table
from rich.text import Text

from syncline_server.config.credentials import CONSOLE_SECRET_VARIABLE, FILE_NAME, find_credentials
from syncline_server.config.secret_strength import weak_secrets
from syncline_server.config.settings import Settings

from .help import Group
from .options import setting_options
from .output import show_line, show_next
from .output_format import output_format, output_option, plain_output_option
from .setting_groups import GroupedCommand, grouped_settings

__all__ = ["config"]

_SOURCES = {
    ParameterSource.COMMANDLINE: "option",
    ParameterSource.ENVIRONMENT: "variable",
    ParameterSource.DEFAULT_MAP: "config file",
    ParameterSource.DEFAULT: "default",
}

MASK = "********"


@click.group(cls=Group)
def config() -> None:
    """Check or show the settings of a server, without starting it.

    Both commands take the options of `syncline serve`, read the same variables, and the same
    config file. What only a start can tell is not checked: whether Redis answers, and whether the
    port is free.
    """


@config.command(
    cls=GroupedCommand,
    params=[*setting_options(), plain_output_option(table="a sentence")],
)
def check(**values: Any) -> None:
    """Check the settings: exit status 0, or 2 with one line that says what to change.

    Secrets that are short enough to be guessed get a warning on stderr.
    """
    settings = Settings(**values)
    credentials = find_credentials(settings.data_dir, os.environ)
    if credentials is not None:
        for sentence in weak_secrets(credentials, settings.hosts):
            click.echo(f"syncline: warning: {sentence}", err=True)
    if output_format() == "table":
        click.echo("The settings are valid.")
    else:
        show_line({"valid": True})


@config.command(cls=GroupedCommand, params=[*setting_options(), output_option()])
@click.pass_context
def show(context: click.Context, /, **values: Any) -> None:
    """Show each setting, its value and where it comes from; secrets are masked.

    JSON and YAML have for each setting its name, value and source.
    """
    settings = Settings(**values)
    rows = [
        (title, name, _masked(getattr(settings, name)), _source_of(context, name))
        for title, names in grouped_settings()
        for name in names
    ] + [("Credentials", *row) for row in _credentials(settings.data_dir)]
    if output_format() == "table":
        Console().print(_table(rows))
        return
    for _, name, value, source in rows:
        line = {"name": name, "value": value, "source": source}
        show_next(line)


def _source_of(context: click.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    assert source is not None
    return _SOURCES[source]


def _credentials(data_dir: Path) -> list[tuple[str, str | None, str]]:
    """Name, shown value and source of each credential."""
    found = find_credentials(data_dir, os.environ)
    if found is None:
        return [("account_sid", None, "generated at the first start")]
    kept = f"{data_dir / FILE_NAME}"
    in_variables = bool(os.environ.get("SYNCLINE_ACCOUNT_SID"))
    keys_in_variables = any(
        os.environ.get(name) for name in ("SYNCLINE_API_KEY_SID", "SYNCLINE_API_KEYS")
    )
    console = (
        [("console_secret", MASK, "variable")] if os.environ.get(CONSOLE_SECRET_VARIABLE) else []
    )
    return [
        ("account_sid", found.account_sid, "variable" if in_variables else kept),
        ("auth_token", MASK, "variable" if in_variables else kept),
        *((sid, MASK, "variable" if keys_in_variables else kept) for sid in found.api_keys),
        *console,
    ]


def _masked(value: Any) -> Any:
    """The value as it is shown; without the password where it is a URL that has one."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str) and "@" in value and "://" in value:
        password = urlsplit(value).password
        if password:
            return value.replace(f":{password}@", f":{MASK}@", 1)
    return value


def _table(rows: list[tuple[str, str, Any, str]]) -> Table:
    table = Table("setting", "value", "source", box=None, pad_edge=False, header_style="bold")
    shown_title = ""
    for title, name, value, source in rows:
        if title != shown_title:
            table.add_row(Text(f"\n{title}", "bold cyan"))
            shown_title = title
        style = "dim" if source == "default" else ""
        table.add_row(name, Text("" if value is None else str(value), style), Text(source, style))
    return table
