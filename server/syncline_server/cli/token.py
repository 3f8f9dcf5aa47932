"""`syncline token`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from syncline_server.auth import TOKEN_LIFE_LIMIT, mint_token
from syncline_server.credentials import find_credentials
from syncline_server.settings import SettingError

from .options import setting_option
from .parameters import Identity

__all__ = ["token"]


@click.command(params=[setting_option("data_dir")])
@click.option("--identity", type=Identity(), required=True, help="Whom it speaks for.")
@click.option(
    "--ttl",
    type=click.IntRange(1, TOKEN_LIFE_LIMIT),
    default=3600,
    show_default=True,
    help="Seconds until it expires.",
)
@click.option(
    "--service",
    default="default",
    show_default=True,
    help="SID or unique name of the service that it opens.",
)
def token(identity: str, ttl: int, service: str, data_dir: Path) -> None:
    """Print an access token; stderr says which key signed it.

    The key is the first of this installation: from the same variables as those of `syncline
    serve`, else from its data directory. None is ever generated here.
    """
    credentials = find_credentials(data_dir, os.environ)
    if credentials is None:
        raise SettingError(
            f"there are no credentials in {data_dir}: name the server's directory by --data-dir, "
            "or set SYNCLINE_ACCOUNT_SID, SYNCLINE_AUTH_TOKEN, SYNCLINE_API_KEY_SID and "
            "SYNCLINE_API_KEY_SECRET"
        )
    click.echo(mint_token(credentials, identity, ttl, service))
    key = next(iter(credentials.api_keys))
    click.echo(f"signed by {key} of {credentials.account_sid}, for {ttl} s", err=True)
