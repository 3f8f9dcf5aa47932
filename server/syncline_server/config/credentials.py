"""The account's SID, auth token and API keys: from the environment, or generated once and kept in
the data directory."""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .secret_files import read_secret_file, write_secret_file
from .validation import SettingError

__all__ = [
    "FILE_NAME",
    "CONSOLE_SECRET_VARIABLE",
    "KEY_SID",
    "Credentials",
    "find_credentials",
    "load_credentials",
    "make_secret",
]

FILE_NAME = "credentials.json"

CONSOLE_SECRET_VARIABLE = "SYNCLINE_CONSOLE_OIDC_SECRET"

KEY_SID = re.compile(r"SK[0-9a-f]{32}", re.ASCII)

SECRET_LENGTH = 43
"""Characters in a generated secret: 43 characters, each one of 62, carry 256 random bits."""

_SECRET_CHARACTERS = string.ascii_letters + string.digits
_ACCOUNT = re.compile(r"AC[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account's login and API keys.

    Attributes:
        account_sid: `AC` and 32 hexadecimal digits; user name of the account's Basic login.
        auth_token: password of that login.
        api_keys: secret by SID (`SK…`). A key is a Basic login and signs access tokens. Never
            empty, and without the keys in Redis (`auth.api_keys`).
        master_key: base64 of the 32 bytes that encrypt secrets in Redis (`config.encryption`); ""
            if it is not needed.
        console_secret: secret of the console's client at the OpenID provider; "" without one.
        are_new: they were generated just now, at the first start.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    api_keys: Mapping[str, str] = field(repr=False)
    master_key: str = field(default="", repr=False, compare=False)
    console_secret: str = field(default="", repr=False, compare=False)
    are_new: bool = field(default=False, repr=False, compare=False)


def make_secret() -> str:
    """A new secret of an API key.

    Letters and digits only: the vendor's Go library rejects secrets with other characters.
    """
    return "".join(secrets.choice(_SECRET_CHARACTERS) for _ in range(SECRET_LENGTH))


def load_credentials(data_dir: Path, environ: Mapping[str, str]) -> Credentials:
    """The credentials of this installation.

    The environment comes first: `SYNCLINE_ACCOUNT_SID` with `SYNCLINE_AUTH_TOKEN`,
    `SYNCLINE_API_KEY_SID` with `SYNCLINE_API_KEY_SECRET`, and further keys in `SYNCLINE_API_KEYS`
    (`SK…:secret,SK…:secret`). An account or keys that it lacks come from `credentials.json` in
    `data_dir`, which is written (mode 600) at the first start.

    Raises:
        SettingError: half of a pair is missing, a SID is malformed, or the file cannot be read or
            is readable by other users.
    """
    found = find_credentials(data_dir, environ)
    if found is not None:
        return found
    _generate(data_dir / FILE_NAME)
    return replace(load_credentials(data_dir, environ), are_new=True)


def find_credentials(data_dir: Path, environ: Mapping[str, str]) -> Credentials | None:
    """As `load_credentials`, but returns None where that would generate credentials."""
    account = _pair(environ, "SYNCLINE_ACCOUNT_SID", "SYNCLINE_AUTH_TOKEN", _ACCOUNT)
    keys = _keys(environ)
    if account and keys:
        return Credentials(*account, keys)
    kept = _kept(data_dir / FILE_NAME)
    if kept is None:
        return None
    return Credentials(*(account or (kept.account_sid, kept.auth_token)), keys or kept.api_keys)


def _keys(environ: Mapping[str, str]) -> dict[str, str]:
    first = _pair(environ, "SYNCLINE_API_KEY_SID", "SYNCLINE_API_KEY_SECRET", KEY_SID)
    keys = dict([first]) if first else {}
    for entry in filter(None, environ.get("SYNCLINE_API_KEYS", "").split(",")):
        sid, _, secret = entry.strip().partition(":")
        if not KEY_SID.fullmatch(sid) or not secret:
            raise SettingError("SYNCLINE_API_KEYS must be SK…:secret pairs, separated by commas")
        keys[sid] = secret
    return keys


def _pair(
    environ: Mapping[str, str], sid_name: str, secret_name: str, shape: re.Pattern[str]
) -> tuple[str, str] | None:
    sid, secret = environ.get(sid_name), environ.get(secret_name)
    if not sid and not secret:
        return None
    if not sid or not secret:
        raise SettingError(f"{sid_name} and {secret_name} must be set together")
    if not shape.fullmatch(sid):
        raise SettingError(
            f"{sid_name} must be {shape.pattern[:2]} and 32 hexadecimal digits in lower case"
        )
    return sid, secret


def _kept(path: Path) -> Credentials | None:
    try:
        kept = json.loads(read_secret_file(path))
        return Credentials(kept["account_sid"], kept["auth_token"], dict(kept["api_keys"]))
    except FileNotFoundError:
        return None
    except SettingError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise SettingError(f"{path} cannot be read as credentials: {error!r}") from None


def _generate(path: Path) -> None:
    made = Credentials(
        f"AC{secrets.token_hex(16)}",
        secrets.token_hex(16),
        {f"SK{secrets.token_hex(16)}": make_secret()},
    )
    content = {
        "account_sid": made.account_sid,
        "auth_token": made.auth_token,
        "api_keys": dict(made.api_keys),
    }
    write_secret_file(path, json.dumps(content, indent=2))
