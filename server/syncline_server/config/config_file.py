"""The config file: settings of a server in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .validation import SettingError

__all__ = ["read_config_file"]


def read_config_file(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """The settings in a file, by the names of their fields.

    A key is the name of an option, with `-` or `_`. A list of texts is what an option has
    separated by commas. Tables only group keys: their names have no meaning.

    Args:
        names: the names that a setting may have.

    Raises:
        SettingError: the file cannot be read, is not TOML, or has an unknown key or one twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise SettingError(f"the config file {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"the config file {path} is not TOML: {error}") from None
    known = set(names)
    settings: dict[str, Any] = {}
    for key, value in _flat(content):
        name = key.replace("-", "_")
        if name not in known:
            near = get_close_matches(name, sorted(known), 1, cutoff=0.7)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingError(f"{path}: the setting {key} is unknown{hint}")
        if name in settings:
            raise SettingError(f"{path}: the setting {key} is there twice")
        settings[name] = _value(path, key, value)
    return settings


def _flat(table: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value)
        else:
            yield key, value


def _value(path: Path, key: str, value: Any) -> Any:
    """The value as an option would have it."""
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return ",".join(value)
    if isinstance(value, str | bool | int | float):
        return value
    raise SettingError(f"{path}: {key} must be a text, a number, true, false or a list of texts")
