"""Variables that name the file of a secret: `SYNCLINE_AUTH_TOKEN_FILE` for `SYNCLINE_AUTH_TOKEN`.

Container platforms mount secrets as files, so that no secret is in the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .validation import SettingError

__all__ = ["SECRET_VARIABLES", "read_secret_files"]

SECRET_VARIABLES = (
    "SYNCLINE_ACCOUNT_SID",
    "SYNCLINE_AUTH_TOKEN",
    "SYNCLINE_API_KEY_SID",
    "SYNCLINE_API_KEY_SECRET",
    "SYNCLINE_API_KEYS",
    "SYNCLINE_MASTER_KEY",
    "SYNCLINE_REDIS_URL",
    "SYNCLINE_CONSOLE_OIDC_SECRET",
    "SYNCLINE_TOKEN",
    "SYNCLINE_FROM_AUTH_TOKEN",
    "SYNCLINE_FROM_API_KEY_SID",
    "SYNCLINE_FROM_API_KEY_SECRET",
)
"""Variables whose value may stand in a file, which the variable with `_FILE` at its end names."""

SIZE_LIMIT = 65_536
"""Maximum bytes of such a file."""


def read_secret_files(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that files give, by name; line breaks at the end of a file are no part of it.

    Raises:
        SettingError: a file cannot be read, is empty or too large, or its variable is set too.
    """
    found = {}
    for name in SECRET_VARIABLES:
        path = environ.get(f"{name}_FILE")
        if not path:
            continue
        if environ.get(name):
            raise SettingError(f"{name} and {name}_FILE are both set; set one of them")
        found[name] = _read(f"{name}_FILE", Path(path))
    return found


def _read(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
        text = content.decode()
    except OSError as error:
        raise SettingError(f"{variable}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingError(f"{variable}: {path} is not UTF-8") from None
    if len(content) > SIZE_LIMIT:
        raise SettingError(f"{variable}: {path} has more than {SIZE_LIMIT} bytes")
    secret = text.rstrip("\r\n")
    if not secret:
        raise SettingError(f"{variable}: {path} is empty")
    return secret
