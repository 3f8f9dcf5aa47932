"""Options for the server, the service and the credentials of a client command."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from ssl import SSLContext
from typing import Any

import click
import httpx2

from syncline import ConnectionLost
from syncline_server.config.settings import Settings

from .access import (
    DEFAULT_IDENTITY,
    Access,
    resolve,
    resolve_account,
    resolve_if_known,
    resolve_owner,
    resolve_services,
)
from .parameters import Authority, Identity, Url
from .scheme_check import wrong_scheme

__all__ = [
    "with_access",
    "with_account_login",
    "with_any_login",
    "with_owner_login",
    "with_owner_service",
    "with_services_login",
]

DEFAULT_URL = f"http://{Settings().host}:{Settings().port}"


def with_access(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for server and credentials to a command; pass it the resulting `Access`."""
    return _add_options(command, resolve, _OPTIONS)


def with_account_login(command: Callable[..., None]) -> Callable[..., None]:
    """Like `with_access`, for commands on a whole service: prefers the account's own login."""
    return _add_options(command, resolve_account, _OPTIONS)


def with_services_login(command: Callable[..., None]) -> Callable[..., None]:
    """Like `with_access`, for commands that need the account's login or an API key, no token."""
    return _add_options(command, resolve_services, ("url", "data_dir", "ca_cert"))


def with_any_login(command: Callable[..., None]) -> Callable[..., None]:
    """Like `with_services_login`, for commands that need no login; `Access` may have none."""
    return _add_options(command, resolve_if_known, ("url", "data_dir", "ca_cert"))


def with_owner_login(command: Callable[..., None]) -> Callable[..., None]:
    """Like `with_access`, for commands that only the account may run: no token, no identity."""
    return _add_options(command, resolve_owner, ("url", "data_dir", "ca_cert"))


def with_owner_service(command: Callable[..., None]) -> Callable[..., None]:
    """Like `with_owner_login`, for commands on one service."""
    return _add_options(command, resolve_owner, ("url", "service", "data_dir", "ca_cert"))


def _add_options(
    command: Callable[..., None], resolve: Callable[..., Access], names: Collection[str]
) -> Callable[..., None]:
    @functools.wraps(command)
    def resolved(ca_cert: SSLContext | None, **values: Any) -> None:
        chosen = {name: values.pop(name) for name in names if name in values}
        if chosen["url"] is None:
            chosen["url"] = _found_url(chosen["data_dir"])
        access = replace(resolve(**chosen, environ=os.environ), tls=ca_cert)
        try:
            command(access, **values)
        except (ConnectionLost, httpx2.TransportError) as error:
            hint = wrong_scheme(access.url)
            if hint is None:
                raise
            raise ConnectionLost(f"{access.url} cannot be reached: {hint}") from error

    for name in reversed(list(names)):
        resolved = _OPTIONS[name](resolved)
    return resolved


def _found_url(data_dir: Path | None) -> str:
    """The URL of the server that runs on the data directory, or else the default."""
    try:
        # Imported here: it needs file locks, which not every system has.
        from syncline_server.config.running_server import find_running_url
    except ImportError:
        return DEFAULT_URL
    return find_running_url(data_dir or Settings().data_dir) or DEFAULT_URL


def _access_option(name: str, help: str, **attributes: Any) -> Callable[..., Any]:
    variable = f"SYNCLINE_{name.replace('-', '_').upper()}"
    return click.option(f"--{name}", help=help, envvar=variable, show_envvar=True, **attributes)


_OPTIONS = {
    "url": _access_option(
        "url",
        "Base URL of the server.",
        type=Url(),
        show_default=f"that of the server of the data directory, else {DEFAULT_URL}",
    ),
    "token": _access_option("token", "Access token."),
    "identity": _access_option(
        "identity",
        "Identity of the token, if the command makes one.",
        type=Identity(),
        show_default=DEFAULT_IDENTITY,
    ),
    "service": _access_option(
        "service",
        "SID or unique name of the service.",
        show_default="that of the token, else default",
    ),
    "data_dir": _access_option(
        "data-dir",
        "The server's data directory, for its URL and its credentials.",
        type=click.Path(file_okay=False, path_type=Path),
        show_default=f"{Settings().data_dir}, for a server on this machine",
    ),
    "ca_cert": _access_option(
        "ca-cert",
        "PEM file of the authority that signed the server's certificate.",
        type=Authority(),
        show_default="those that this machine trusts",
    ),
}
"""Option by the name of its parameter."""
