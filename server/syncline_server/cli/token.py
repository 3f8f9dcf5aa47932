"""`syncline token`: makes an access token."""

from __future__ import annotations

import os
from pathlib import Path

import click

from syncline_protocol.access_tokens import TOKEN_LIFE_LIMIT
from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import find_credentials
from syncline_server.config.validation import SettingError

from .help import Command
from .options import setting_option
from .output import show_line
from .output_format import output_format, plain_output_option
from .parameters import Identity, KeySid

__all__ = ["token"]


@click.command(
    cls=Command,
    prints=False,
    params=[
        setting_option("data_dir"),
        plain_output_option(table="the token alone"),
    ],
    examples=("syncline token --identity alice --ttl 3600",),
)
@click.option("--identity", type=Identity(), required=True, help="Identity of the token holder.")
@click.option(
    "--ttl",
    type=click.IntRange(1, TOKEN_LIFE_LIMIT),
    default=3600,
    show_default=True,
    help="Seconds until the token expires.",
)
@click.option(
    "--service",
    default="default",
    show_default=True,
    help="SID or unique name of the service that the token is for.",
)
@click.option(
    "--key",
    type=KeySid(),
    show_default="the first one",
    help="SID of the API key that signs the token.",
)
def token(*, identity: str, ttl: int, service: str, key: str | None, data_dir: Path) -> None:
    """Print an access token; stderr names the key that signed it.

    The key comes from the configuration of this installation: from the same variables as for
    `syncline serve`, or else from the data directory. This command never generates a key. The
    secrets of keys that `syncline keys` created cannot be read back from Redis: to sign with such a
    key, set SYNCLINE_API_KEY_SID and SYNCLINE_API_KEY_SECRET to what was shown at its creation.
    """
    credentials = find_credentials(data_dir, os.environ)
    if credentials is None:
        raise SettingError(
            f"no credentials in {data_dir}: give the server's data directory with --data-dir, "
            "or set SYNCLINE_ACCOUNT_SID, SYNCLINE_AUTH_TOKEN, SYNCLINE_API_KEY_SID and "
            "SYNCLINE_API_KEY_SECRET"
        )
    key = key or next(iter(credentials.api_keys))
    if key not in credentials.api_keys:
        raise SettingError(
            f"the secret of {key} is not configured, only {', '.join(credentials.api_keys)}; "
            "secrets in Redis cannot be read back: set SYNCLINE_API_KEY_SID and "
            "SYNCLINE_API_KEY_SECRET to what was shown when the key was created"
        )
    made = mint_token(credentials, identity, ttl, service=service, key=key)
    if output_format() == "table":
        click.echo(made)
    else:
        show_line({"token": made, "identity": identity, "service": service, "ttl": ttl, "key": key})
    click.echo(f"signed by {key} of {credentials.account_sid}, for {ttl} s", err=True)
