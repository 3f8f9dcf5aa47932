"""Server and credentials of a back end."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syncline.errors import UsageError
from syncline.options import Server
from syncline.service.webhook_form import webhook_form
from syncline_protocol import access_tokens
from syncline_protocol.webhook_signature import is_signed

__all__ = ["Login"]

_ACCOUNT = re.compile(r"AC[0-9a-f]{32}", re.ASCII)
_KEY = re.compile(r"SK[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A server, and what a back end proves to it.

    Attributes:
        url: base URL of the server, without a slash at its end.
        basic: user and password of each request.
        account_sid: the account; None if only an API key is known.
        key: SID and secret of the API key that signs tokens; None if there is none.
        auth_token: signs webhooks; None if only an API key is known.
    """

    url: str
    basic: tuple[str, str] = field(repr=False)
    account_sid: str | None
    key: tuple[str, str] | None = field(repr=False)
    auth_token: str | None = field(repr=False)

    @classmethod
    def of(
        cls,
        url: str,
        account_sid: str,
        secret: str,
        *,
        key_sid: str | None = None,
        key_secret: str | None = None,
        auth_token: str | None = None,
    ) -> Login:
        """Check the arguments of a service, which documents them.

        Raises:
            ValueError: the URL is not that of a server, or a SID or a secret is malformed.
        """
        given = {"secret": secret, "key_secret": key_secret, "auth_token": auth_token}
        for name, value in given.items():
            is_text = isinstance(value, str) and value != ""
            if not is_text and (value is not None or name == "secret"):
                raise ValueError(f"{name} must be a str that is not empty")
        if key_sid is not None and not _KEY.fullmatch(key_sid):
            raise ValueError("key_sid must be SK and 32 hexadecimal digits in lower case")
        if key_secret is not None and key_sid is None:
            raise ValueError("key_secret needs key_sid, the SID of the API key")
        is_account = isinstance(account_sid, str) and _ACCOUNT.fullmatch(account_sid) is not None
        if not is_account and key_sid is None:
            if not isinstance(account_sid, str) or not _KEY.fullmatch(account_sid):
                raise ValueError(
                    "account_sid must be AC and 32 hexadecimal digits in lower case, or the SID of "
                    "an API key: SK and 32 digits"
                )
            key_sid, key_secret = account_sid, secret
        elif not is_account:
            raise ValueError("account_sid must be AC and 32 hexadecimal digits in lower case")
        key = None if key_sid is None else (key_sid, key_secret or secret)
        # With a key of its own secret, `secret` is the account's.
        has_account = is_account and (key_sid is None or key_secret is not None)
        if has_account:
            auth_token = auth_token or secret
        return cls(
            url=Server.parse(url).http_url,
            basic=(account_sid, secret) if has_account or key is None else key,
            account_sid=account_sid if is_account else None,
            key=key,
            auth_token=auth_token,
        )

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Login:
        """The login in `SYNCLINE_URL`, `SYNCLINE_ACCOUNT_SID` and the other variables.

        Raises:
            UsageError: a variable is missing; the text names it.
            ValueError: a variable is malformed.
        """
        url, account = environ.get("SYNCLINE_URL"), environ.get("SYNCLINE_ACCOUNT_SID")
        token = environ.get("SYNCLINE_AUTH_TOKEN") or None
        key_sid = environ.get("SYNCLINE_API_KEY_SID") or None
        key_secret = environ.get("SYNCLINE_API_KEY_SECRET") or None
        if not url:
            raise UsageError("SYNCLINE_URL is not set: it names the server")
        if key_sid is None or key_secret is None:
            key_sid = key_secret = None
        if account and token:
            return cls.of(url, account, token, key_sid=key_sid, key_secret=key_secret)
        if key_sid is None or key_secret is None:
            raise UsageError(
                "no credentials: set SYNCLINE_ACCOUNT_SID with SYNCLINE_AUTH_TOKEN, or "
                "SYNCLINE_API_KEY_SID with SYNCLINE_API_KEY_SECRET"
            )
        if account:
            return cls.of(url, account, key_secret, key_sid=key_sid)
        return cls.of(url, key_sid, key_secret)

    @property
    def authorization(self) -> str:
        """The value of the `Authorization` header."""
        return f"Basic {base64.b64encode(':'.join(self.basic).encode()).decode()}"

    def mint_token(self, identity: str, *, ttl: int, service: str) -> str:
        """Make an access token; `mint_token` of a service documents it."""
        if self.key is None:
            raise UsageError(
                "tokens are signed by an API key: give key_sid and key_secret beside the account"
            )
        if self.account_sid is None:
            raise UsageError("a token names the account: give account_sid beside the API key")
        access_tokens.check(identity, ttl, service)
        return access_tokens.mint(
            self.account_sid, self.key, identity, ttl=ttl, service=service, now=int(time.time())
        )

    def verify_webhook(
        self, url: str, params: Mapping[str, Any] | str | bytes, signature: str | None
    ) -> bool:
        """Check a signature; `verify_webhook` of a service documents it."""
        if self.auth_token is None:
            raise UsageError(
                "webhooks are signed with the account's auth token: give auth_token beside the key"
            )
        if not isinstance(params, str | bytes | Mapping):
            raise UsageError(
                f"params must be the fields or the body of the form, not {type(params).__name__}"
            )
        form = webhook_form(params)
        if form is None or not isinstance(signature, str):
            return False
        return is_signed(self.auth_token, url, form, signature)
