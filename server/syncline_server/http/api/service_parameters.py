"""Parameters of a service, from a form or from JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.sids import is_service_sid
from syncline_server.http.values import by_name, flag

__all__ = [
    "FRIENDLY_NAME_LENGTH",
    "LONGEST_WINDOW",
    "SHORTEST_WINDOW",
    "WEBHOOK_URL_LENGTH",
    "friendly_name",
    "service_members",
]

FRIENDLY_NAME_LENGTH = 255
"""Maximum characters in a friendly name (vendor limit)."""

WEBHOOK_URL_LENGTH = 512
"""Maximum characters in a webhook URL (vendor limit)."""

SHORTEST_WINDOW = 1000
"""Minimum `ReachabilityDebouncingWindow` in milliseconds (vendor limit)."""

LONGEST_WINDOW = 30_000
"""Maximum `ReachabilityDebouncingWindow` in milliseconds (vendor limit)."""

_WINDOW = re.compile(r"[0-9]{1,6}", re.ASCII)
_CREDENTIALS = re.compile(r"[a-z]+://[^/?#]*@", re.ASCII | re.IGNORECASE)
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII | re.IGNORECASE)


def service_members(given: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The members of `Service` that a request sets.

    The vendor's helpers send their language's null as an empty value. It clears members that can be
    null, and counts as missing for all others. `sid` is only for the creation of a service.

    Raises:
        Refusal: with the code of the parameter that is wrong; as `by_name`.
    """
    values = by_name(given, _SPELLINGS)
    return {
        member: read(values[name], name)
        for name, (member, read) in _PARAMETERS.items()
        if name in values and not (values[name] == "" and name in _OPTIONAL)
    }


def friendly_name(value: Any, name: str) -> str | None:
    """The value of the parameter `name`; None if it is empty. Raises `INVALID_FRIENDLY_NAME`."""
    if value is None or value == "":
        return None
    text = _text(value, name, Code.INVALID_FRIENDLY_NAME)
    if len(text) > FRIENDLY_NAME_LENGTH:
        raise Refusal(
            Code.INVALID_FRIENDLY_NAME,
            f"{name} must have at most {FRIENDLY_NAME_LENGTH} characters, or be empty or null; "
            f"{len(text)} were given.",
        )
    return text


def _sid(value: Any, name: str) -> str:
    if not isinstance(value, str) or not is_service_sid(value):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"{name} must be IS and 32 hexadecimal digits in lower case; "
            f"{fields.show(value)} was given.",
        )
    return value


def _webhook_url(value: Any, name: str) -> str | None:
    if value is None or value == "":
        return None
    url = _text(value, name, Code.INVALID_WEBHOOK_URL)
    if _CREDENTIALS.match(url):
        # The message omits the URL: it may contain a password.
        raise Refusal(
            Code.INVALID_WEBHOOK_URL,
            f"{name} must not contain a user or a password; receivers check the signature instead.",
        )
    if len(url) > WEBHOOK_URL_LENGTH or not _is_url(url):
        raise Refusal(
            Code.INVALID_WEBHOOK_URL,
            f"{name} must be an http or https URL of at most {WEBHOOK_URL_LENGTH} characters; "
            f"{fields.show(url)} was given.",
        )
    return url


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises if the port is not a number
    except ValueError:
        return False
    return _URL.fullmatch(text) is not None and bool(parts.hostname)


def _window(value: Any, name: str) -> int:
    if isinstance(value, str) and _WINDOW.fullmatch(value):
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not is_number or not SHORTEST_WINDOW <= value <= LONGEST_WINDOW:
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"{name} must be a whole number of milliseconds from {SHORTEST_WINDOW} to "
            f"{LONGEST_WINDOW}; {fields.show(value)} was given.",
        )
    return int(value)


def _text(value: Any, name: str, code: Code) -> str:
    try:
        return fields.text(value, name)
    except Refusal as refusal:
        raise Refusal(code, refusal.message) from None


_PARAMETERS: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "Sid": ("sid", _sid),
    "FriendlyName": ("friendly_name", friendly_name),
    "WebhookUrl": ("webhook_url", _webhook_url),
    "WebhooksFromRestEnabled": ("webhooks_from_rest_enabled", flag),
    "ReachabilityWebhooksEnabled": ("reachability_webhooks_enabled", flag),
    "AclEnabled": ("acl_enabled", flag),
    "ReachabilityDebouncingEnabled": ("reachability_debouncing_enabled", flag),
    "ReachabilityDebouncingWindow": ("reachability_debouncing_window", _window),
}
"""By the vendor's name: the member that the parameter sets, and its check."""

_OPTIONAL = {name for name, (_, read) in _PARAMETERS.items() if read in (flag, _window)}

_SPELLINGS = {name: name for name in _PARAMETERS} | {
    member: name for name, (member, _) in _PARAMETERS.items()
}
