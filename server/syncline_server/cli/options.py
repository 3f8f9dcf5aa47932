"""Command-line options that are generated from `Settings` or shared by several commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import click

from syncline_server.config.config_file import read_config_file
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

__all__ = [
    "page_size_option",
    "retries_option",
    "setting_option",
    "setting_options",
]

page_size_option = click.option(
    "--page-size",
    type=click.IntRange(1, 1000),
    default=100,
    help="Objects or items per request for a page.",
)

retries_option = click.option(
    "--retries",
    type=click.IntRange(0, 1000),
    default=8,
    help="How often a throttled or unanswered request is sent again.",
)


def setting_options() -> list[click.Parameter]:
    """`--config`, and one option for each field of `Settings`, in the order of the fields.

    An option comes before its variable, which comes before the config file.
    """
    return [_config_option(), *(_option(field) for field in fields(Settings))]


def _config_option() -> click.Option:
    return click.Option(
        ["--config"],
        type=click.Path(dir_okay=False, path_type=Path),
        help="TOML file with settings, by the names of these options; an option or variable "
        "comes before it.",
        envvar="SYNCLINE_CONFIG",
        show_envvar=True,
        # Before all others, which find their defaults in the file then.
        is_eager=True,
        expose_value=False,
        callback=_use_config_file,
    )


def _use_config_file(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    options = {option.name: option for option in context.command.params if option.name}
    values = read_config_file(path, (field.name for field in fields(Settings)))
    for name, value in values.items():
        kind = options[name].type
        # Click takes True for 1, and 1 for True.
        if isinstance(value, bool) != (kind is click.BOOL):
            expected = "true or false" if kind is click.BOOL else "a text or a number"
            raise SettingError(f"{path}: {name} must be {expected}, not {value!r}")
        try:
            kind.convert(value, None, context)
        except click.BadParameter as error:
            raise SettingError(f"{path}: {name}: {error.message}") from None
    context.default_map = values


def setting_option(name: str) -> click.Parameter:
    """The option for the field `name` of `Settings`."""
    return next(_option(field) for field in fields(Settings) if field.name == name)


def _option(field: Field[Any]) -> click.Option:
    flag = field.name.replace("_", "-")
    kind = _kinds()[field.name]
    return click.Option(
        [f"--{flag}/--no-{flag}" if kind in _SWITCHES else f"--{flag}"],
        type=_type(kind, field.metadata),
        default=field.default,
        help=field.metadata["help"],
        envvar=f"SYNCLINE_{field.name.upper()}",
        show_envvar=True,
        show_default=True,
    )


_SWITCHES = (bool, bool | None)
"""Types of settings that are on or off; None where other settings decide."""


@cache
def _kinds() -> dict[str, Any]:
    """The type of each setting; to resolve them takes as long as to make all options."""
    return get_type_hints(Settings)


def _type(kind: Any, bounds: Mapping[str, Any]) -> click.ParamType[Any]:
    if "choices" in bounds:
        return click.Choice(bounds["choices"])
    if kind is int:
        return click.IntRange(bounds["least"], bounds["most"])
    if kind is float:
        return click.FloatRange(bounds["least"], bounds["most"])
    if kind is Path:
        return click.Path(file_okay=False, path_type=Path)
    return click.BOOL if kind in _SWITCHES else click.STRING
