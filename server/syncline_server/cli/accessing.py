"""The options that say which server's documents a command works on, and by what right."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from syncline_server.settings import Settings

from .access import DEFAULT_IDENTITY, Access, resolve, resolve_account
from .parameters import Identity, Url

__all__ = ["accessing", "administering"]

DEFAULT_URL = f"http://{Settings().host}:{Settings().port}"


def accessing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where and who, and the `Access` that comes of them."""
    return _given(command, resolve)


def administering(command: Callable[..., None]) -> Callable[..., None]:
    """The same for a command that handles a whole service: the account does, where that can be."""
    return _given(command, resolve_account)


def _given(command: Callable[..., None], resolve: Callable[..., Access]) -> Callable[..., None]:
    @functools.wraps(command)
    def resolved(
        url: str,
        token: str | None,
        identity: str | None,
        service: str | None,
        data_dir: Path | None,
        **rest: Any,
    ) -> None:
        command(resolve(url, token, identity, service, data_dir, os.environ), **rest)

    for option in reversed(_ACCESS_OPTIONS):
        resolved = option(resolved)
    return resolved


def _access_option(name: str, help: str, **attributes: Any) -> Callable[..., Any]:
    variable = f"SYNCLINE_{name.replace('-', '_').upper()}"
    return click.option(f"--{name}", help=help, envvar=variable, show_envvar=True, **attributes)


_ACCESS_OPTIONS = (
    _access_option("url", "Base URL of the server.", type=Url(), default=DEFAULT_URL),
    _access_option("token", "Access token."),
    _access_option(
        "identity",
        "Whom a token is made for, if one is made.",
        type=Identity(),
        show_default=DEFAULT_IDENTITY,
    ),
    _access_option(
        "service",
        "SID or unique name of the service.",
        show_default="that of the token, else default",
    ),
    _access_option(
        "data-dir",
        "The server's data directory, for its credentials.",
        type=click.Path(file_okay=False, path_type=Path),
        show_default=f"{Settings().data_dir}, for a server on this machine",
    ),
)
