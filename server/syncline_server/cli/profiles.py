"""Profiles: servers and logins by name, in a file of the user.

A profile replaces all variables that name a server or a login, not only those that it sets: a login
of the environment must not go to the server of a profile.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from syncline_server.config.validation import SettingError

__all__ = ["profile_option", "profile_variables", "profiles_file", "use_variables"]

VALUES = (
    "url",
    "service",
    "identity",
    "account_sid",
    "auth_token",
    "api_key_sid",
    "api_key_secret",
    "token",
    "data_dir",
    "ca_cert",
)
"""What a profile may set: the values of the variables `SYNCLINE_URL` and so on."""

SECRETS = ("auth_token", "api_key_secret", "token")
"""Of these a profile may also name a file, by `auth_token_file` and so on."""

profile_option = click.option(
    "--profile",
    metavar="NAME",
    envvar="SYNCLINE_PROFILE",
    show_envvar=True,
    help="Server and login of this name in ~/.config/syncline/profiles.toml. They replace all "
    "variables of server and login; options come before them.",
)


def profiles_file(environ: Mapping[str, str]) -> Path:
    """The file with the profiles."""
    base = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "syncline" / "profiles.toml"


def profile_variables(name: str, environ: Mapping[str, str]) -> dict[str, str | None]:
    """The variables that a profile sets, and None for those that it removes.

    Raises:
        SettingError: there is no such profile, or its file is unsafe or wrong.
    """
    path = profiles_file(environ)
    profiles = _read(path)
    profile = profiles.get(name)
    if not isinstance(profile, dict):
        known = ", ".join(each for each, value in profiles.items() if isinstance(value, dict))
        raise SettingError(f"{path} has no profile [{name}]; it has: {known or 'none'}")
    allowed = {*VALUES, *(f"{secret}_file" for secret in SECRETS)}
    for key, value in profile.items():
        if key not in allowed:
            raise SettingError(f"{path}: [{name}]: {key} is none of {', '.join(sorted(allowed))}")
        if not isinstance(value, str) or not value:
            raise SettingError(f"{path}: [{name}]: {key} must be a text")
    variables: dict[str, str | None] = {}
    for value in VALUES:
        variables[f"SYNCLINE_{value.upper()}"] = profile.get(value)
        # Not for values that may stand in no file: an unknown variable would be created.
        variables[f"SYNCLINE_{value.upper()}_FILE"] = _relative(profile.get(f"{value}_file"), path)
    for secret in ("data_dir", "ca_cert"):
        variable = f"SYNCLINE_{secret.upper()}"
        variables[variable] = _relative(profile.get(secret), path)
    return variables


def use_variables(context: click.Context, variables: Mapping[str, str | None]) -> None:
    """Set, or for None remove, environment variables until the context ends."""
    before = {name: os.environ.get(name) for name in variables}
    _apply(variables)
    context.call_on_close(lambda: _apply(before))


def _apply(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _relative(value: str | None, path: Path) -> str | None:
    """A path in a profile; a relative one is beside the file of profiles."""
    return None if value is None else str(path.parent / Path(value).expanduser())


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise SettingError(f"others can read {path}, which may have secrets: chmod 600 it")
            return tomllib.load(file)
    except OSError as error:
        raise SettingError(f"the profiles in {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is no TOML: {error}") from None
