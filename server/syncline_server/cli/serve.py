"""`syncline serve`: runs the server."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from syncline_server.config.credentials import CONSOLE_SECRET_VARIABLE, load_credentials
from syncline_server.config.encryption import load_master_key
from syncline_server.config.secret_strength import weak_secrets
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.runtime.loading import loading

from .options import setting_options
from .setting_groups import GroupedCommand
from .variables import unknown_variables

__all__ = ["serve"]

logger = logging.getLogger("syncline.settings")


@click.command(cls=GroupedCommand, params=setting_options())
def serve(**values: Any) -> None:
    """Serve documents until SIGTERM or Ctrl-C.

    No option is required: without --redis-url an embedded Redis keeps the documents in the data
    directory, and credentials are generated there at the first start. To choose credentials, set
    SYNCLINE_ACCOUNT_SID with SYNCLINE_AUTH_TOKEN, and SYNCLINE_API_KEY_SID with
    SYNCLINE_API_KEY_SECRET (further keys: SYNCLINE_API_KEYS, as SK…:secret,SK…:secret). `syncline
    keys` adds and revokes API keys while servers run; SYNCLINE_MASTER_KEY (base64 of 32 bytes), or
    else master.key in the data directory, encrypts their secrets in Redis.

    Settings may also stand in a TOML file (--config); `syncline config show` shows each value and
    where it comes from. A variable of a secret with _FILE at its end names a file that holds it,
    like SYNCLINE_AUTH_TOKEN_FILE.

    When the server accepts connections, it prints one line with its URL on stdout. Logs go to
    stderr.
    """
    settings = Settings(**values)
    _make_directory(settings.data_dir)
    try:
        credentials = replace(
            load_credentials(settings.data_dir, os.environ),
            master_key=load_master_key(settings.data_dir, os.environ),
            console_secret=os.environ.get(CONSOLE_SECRET_VARIABLE, ""),
        )
    except OSError as error:
        raise SettingError(
            f"the credentials cannot be written to {settings.data_dir}: {error.strerror}"
        ) from None
    warnings = weak_secrets(credentials, settings.hosts)
    # Imported here, so that the other commands start without loading the server.
    with loading():
        from syncline_server.observability import logs
        from syncline_server.runtime.serve import serve as run_server

    logs.configure(settings)
    program = click.get_current_context().find_root().command
    for sentence in [*unknown_variables(os.environ, program), *warnings]:
        logger.warning("%s", sentence)
    run_server(settings, credentials)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"--data-dir {path} cannot be created: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise SettingError(f"--data-dir {path} must be writable")
