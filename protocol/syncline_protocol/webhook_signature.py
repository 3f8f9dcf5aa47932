"""The vendor's signature of webhooks, by which a receiver verifies the sender."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

__all__ = ["HEADER", "is_signed", "requested_url", "signature"]

HEADER = "X-Twilio-Signature"


def requested_url(url: str) -> str:
    """`url` as the receiver sees it in the request: with a path and without a fragment."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path or "/", fragment="").geturl()


def signature(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """The value of `HEADER`; `url` as `requested_url` returns it."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.digest(auth_token.encode(), signed.encode(), "sha1")
    return base64.b64encode(digest).decode()


def is_signed(auth_token: str, url: str, form: Mapping[str, str], given: str) -> bool:
    """True if `given` is the signature of a form; compared in constant time.

    Args:
        url: the URL of the service's webhooks, as it was set.
        given: the value of `HEADER` in the request.
    """
    expected = signature(auth_token, requested_url(url), form)
    # As bytes: `compare_digest` accepts only ASCII in a str, and anybody may send the header.
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))
