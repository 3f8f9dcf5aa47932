"""Credentials of the client commands: from options, the environment or a data directory."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from urllib.parse import urlsplit

import click

from syncline.token import Claims
from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import Credentials, find_credentials
from syncline_server.config.settings import Settings
from syncline_server.config.urls import is_loopback

__all__ = [
    "DEFAULT_IDENTITY",
    "Access",
    "resolve",
    "resolve_account",
    "resolve_if_known",
    "resolve_owner",
    "resolve_services",
]

TOKEN_LIFE = 600
"""Lifetime in seconds of a token that is made here; long commands make new ones."""

DEFAULT_IDENTITY = "cli"

_ACCOUNT_VARIABLES = ("SYNCLINE_ACCOUNT_SID", "SYNCLINE_AUTH_TOKEN")


class _NoCredentials(click.UsageError):
    """`or_else`: other variables that would do, with a comma behind each."""

    def __init__(self, or_else: str = "") -> None:
        super().__init__(
            f"no credentials: set {or_else}SYNCLINE_ACCOUNT_SID with SYNCLINE_AUTH_TOKEN, or give "
            "a local server's data directory with --data-dir."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A server, a service on it, and the credentials to use them.

    Attributes:
        url: base URL of the server.
        service: SID or unique name.
        token: returns an access token: the user's own, or a new one. None if `basic` is set.
        basic: user and password; None if `token` is set. For `syncline status` both may be None.
        tls: verifies the server's certificate; None trusts the authorities that the system trusts.
    """

    url: str
    service: str
    token: Callable[[], str] | None = None
    basic: tuple[str, str] | None = None
    tls: SSLContext | None = None

    @property
    def has_login(self) -> bool:
        """True if there are credentials."""
        return self.token is not None or self.basic is not None

    @property
    def authorization(self) -> str:
        """The value of the `Authorization` header."""
        if self.token is not None:
            return f"Bearer {self.token()}"
        assert self.basic is not None
        return f"Basic {base64.b64encode(':'.join(self.basic).encode()).decode()}"


def resolve(
    url: str,
    *,
    token: str | None,
    identity: str | None,
    service: str | None,
    data_dir: Path | None,
    environ: Mapping[str, str],
) -> Access:
    """Use the first of: a token, credentials in the environment, those of the data directory.

    Args:
        url: base URL of the server.
        token: an access token.
        identity: identity of a token that is made here; None makes it for `DEFAULT_IDENTITY`, and
            allows a Basic login instead of a token.
        service: SID or unique name; None is the service that `token` names, or else `default`.
        data_dir: the server's data directory; None is the default directory if `url` is on this
            machine, and no directory otherwise.
        environ: environment variables to read credentials from.

    Raises:
        click.UsageError: there are no credentials, or only a Basic login although `identity` is
            set.
    """
    if token is not None:
        # A token that was read from a file ends with a line break, which no header may contain.
        bare = token.strip()
        return Access(url=url, service=service or Claims.of(bare).service_sid, token=lambda: bare)
    service = service or "default"
    signer = _signing_credentials(environ)
    login = _login(environ)
    if signer is None and login is None:
        signer = _stored_credentials(url, data_dir)
    if signer is not None:
        return Access(
            url=url, service=service, token=_minter(signer, identity or DEFAULT_IDENTITY, service)
        )
    if login is None:
        raise _NoCredentials("SYNCLINE_TOKEN, or ")
    if identity is not None:
        raise click.UsageError(
            "--identity needs SYNCLINE_ACCOUNT_SID, SYNCLINE_API_KEY_SID and "
            "SYNCLINE_API_KEY_SECRET to make a token."
        )
    return Access(url=url, service=service, basic=login)


def resolve_account(
    url: str,
    *,
    token: str | None,
    identity: str | None,
    service: str | None,
    data_dir: Path | None,
    environ: Mapping[str, str],
) -> Access:
    """Like `resolve`, but prefer the account's Basic login unless a token or an identity is given.

    The account may read and write every document; its writes are recorded as by `system`.
    """
    if token is None and identity is None:
        login = _login(environ)
        # The account's password is taken from a data directory only for a server on this
        # machine; to another one `resolve` sends a short-lived token.
        if login is None and is_loopback(urlsplit(url).hostname or ""):
            stored = _stored_credentials(url, data_dir)
            login = (stored.account_sid, stored.auth_token) if stored else None
        if login is not None:
            return Access(url=url, service=service or "default", basic=login)
    return resolve(
        url, token=token, identity=identity, service=service, data_dir=data_dir, environ=environ
    )


def resolve_services(url: str, data_dir: Path | None, environ: Mapping[str, str]) -> Access:
    """The Basic login of the account or of an API key; arguments and errors as in `resolve`."""
    try:
        return resolve_account(
            url, token=None, identity=None, service=None, data_dir=data_dir, environ=environ
        )
    except _NoCredentials:
        raise _NoCredentials from None  # a token is of no use here


def resolve_if_known(url: str, data_dir: Path | None, environ: Mapping[str, str]) -> Access:
    """As `resolve_services`, or an `Access` without a login if there are no credentials."""
    try:
        return resolve_services(url, data_dir, environ)
    except click.UsageError:
        return Access(url=url, service="default")


def resolve_owner(
    url: str,
    data_dir: Path | None,
    environ: Mapping[str, str],
    *,
    service: str | None = None,
) -> Access:
    """The account's Basic login: only the account may manage API keys. Arguments as in `resolve`.

    Raises:
        click.UsageError: the login is not in the environment nor in the data directory.
    """
    account, auth_token = (environ.get(name) for name in _ACCOUNT_VARIABLES)
    if account and auth_token:
        return Access(url=url, service=service or "default", basic=(account, auth_token))
    stored = _stored_credentials(url, data_dir)
    if stored is None:
        raise click.UsageError(
            "this command needs the account's own login: set SYNCLINE_ACCOUNT_SID and "
            "SYNCLINE_AUTH_TOKEN, or give a local server's data directory with --data-dir."
        )
    login = stored.account_sid, stored.auth_token
    return Access(url=url, service=service or "default", basic=login)


def _minter(credentials: Credentials, identity: str, service: str) -> Callable[[], str]:
    return lambda: mint_token(credentials, identity, TOKEN_LIFE, service=service)


def _signing_credentials(environ: Mapping[str, str]) -> Credentials | None:
    """Credentials that can sign tokens; the auth token is optional here, unlike in `serve`."""
    account = environ.get("SYNCLINE_ACCOUNT_SID")
    key, secret = environ.get("SYNCLINE_API_KEY_SID"), environ.get("SYNCLINE_API_KEY_SECRET")
    if account and key and secret:
        return Credentials(account, environ.get("SYNCLINE_AUTH_TOKEN", ""), {key: secret})
    return None


def _login(environ: Mapping[str, str]) -> tuple[str, str] | None:
    for user_name, password_name in (
        _ACCOUNT_VARIABLES,
        ("SYNCLINE_API_KEY_SID", "SYNCLINE_API_KEY_SECRET"),
    ):
        user, password = environ.get(user_name), environ.get(password_name)
        if user and password:
            return user, password
    return None


def _stored_credentials(url: str, data_dir: Path | None) -> Credentials | None:
    if data_dir is None:
        # Never send credentials of the local server to another machine.
        if not is_loopback(urlsplit(url).hostname or ""):
            return None
        data_dir = Settings().data_dir
    return find_credentials(data_dir, {})
