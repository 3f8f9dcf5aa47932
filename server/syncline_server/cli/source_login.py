"""Credentials of `syncline import` for the server that it reads from.

Secrets are never command-line arguments, which the shell's history and the process list show.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Mapping

import click

from .access import Access

__all__ = ["with_system_authorities", "source_login"]


def with_system_authorities(tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """TLS context for the source: trusts the authorities of this machine and those in `tls`.

    The vendor's service needs the former, a private server the latter. `tls` None returns None.
    """
    if tls is None:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=b"".join(tls.get_ca_certs(binary_form=True)))
    return context


def source_login(
    url: str,
    account: str,
    service: str,
    *,
    from_stdin: bool,
    environ: Mapping[str, str] = os.environ,
) -> Access:
    """Access to the source with a Basic login: an API key in `environ`, or else the account.

    Args:
        account: SID of the account; its auth token is in `environ`, on stdin, or prompted for.
        from_stdin: True reads the auth token from the first line of stdin.

    Raises:
        click.UsageError: there are no credentials.
    """
    key = environ.get("SYNCLINE_FROM_API_KEY_SID")
    secret = environ.get("SYNCLINE_FROM_API_KEY_SECRET")
    if key and secret:
        return Access(url=url, service=service, basic=(key, secret))
    return Access(
        url=url, service=service, basic=(account, _auth_token(account, from_stdin, environ))
    )


def _auth_token(account: str, from_stdin: bool, environ: Mapping[str, str]) -> str:
    if from_stdin:
        token = sys.stdin.readline().strip()
    else:
        token = environ.get("SYNCLINE_FROM_AUTH_TOKEN", "")
        if not token and sys.stdin.isatty():
            token = click.prompt(f"Auth token of {account}", hide_input=True, err=True)
    if not token:
        raise click.UsageError(
            "no auth token: set SYNCLINE_FROM_AUTH_TOKEN, or SYNCLINE_FROM_API_KEY_SID with "
            "SYNCLINE_FROM_API_KEY_SECRET, or pass it on stdin with --from-auth-token-stdin."
        )
    return token
