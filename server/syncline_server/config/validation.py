"""Checks of settings; each error is one line that says what to change."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import field
from typing import Any
from urllib.parse import urlsplit

from syncline_protocol.sids import is_service_sid

from .networks import Network
from .urls import is_loopback, is_secure

__all__ = [
    "SettingError",
    "check_oidc",
    "check_origins",
    "check_range",
    "check_service_sid",
    "check_test_clock",
    "check_url",
    "elements",
    "networks",
    "setting",
]

# The second form is for pages inside an app, like capacitor://localhost.
_ORIGIN = re.compile(r"https?://[^/?#@\s]+|(?!wss?:)[a-z][a-z0-9+.-]*://[a-z0-9.-]+", re.ASCII)


class SettingError(ValueError):
    """A setting is invalid; the text is one line that says what to change."""


def networks(option: str, text: str) -> list[Network]:
    """The networks in a comma-separated list. Raises `SettingError`."""
    try:
        return [ipaddress.ip_network(network) for network in elements(text)]
    except ValueError as error:
        raise SettingError(
            f"--{option} must be addresses or networks such as 10.0.0.0/8, separated by commas: "
            f"{error}"
        ) from None


def elements(text: str) -> list[str]:
    """The elements of a comma-separated list."""
    return [element.strip() for element in text.split(",") if element.strip()]


def check_origins(option: str, origins: list[str]) -> None:
    """Require origins as browsers send them, or `*`. Raises `SettingError`."""
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise SettingError(
                f"{option} must be '*' or origins such as https://app.example.com, not {origin!r}"
            )


def check_service_sid(option: str, sid: str) -> None:
    """Require the SID of a service. Raises `SettingError`."""
    if not is_service_sid(sid):
        raise SettingError(
            f"{option} must be IS and 32 hexadecimal digits in lower case, not {sid!r}"
        )


def check_test_clock(settings: Any) -> None:
    """A clock that moves belongs to one process and to data that nobody else uses. Raises
    `SettingError`."""
    is_alone = settings.redis_url is None and settings.workers == 1
    if settings.test_clock and not (is_alone and all(map(is_loopback, settings.hosts))):
        raise SettingError(
            "--test-clock is for tests: it needs the embedded Redis (no --redis-url), one worker "
            "and a --host of this machine"
        )


def check_oidc(settings: Any) -> None:
    """Check the settings of an OpenID provider, which depend on each other. Raises
    `SettingError`."""
    for option, url in (
        ("--oidc-issuer", settings.oidc_issuer),
        ("--oidc-jwks-url", settings.oidc_jwks_url),
    ):
        if url is not None and not is_secure(url):
            # The message omits the URL: it may contain a password.
            raise SettingError(
                f"{option} must be an https:// URL without credentials; http:// is allowed only "
                "for this machine"
            )
    for name in ("identity_claim", "grants_claim", "service", "service_claim"):
        if getattr(settings, f"oidc_{name}") == "":
            raise SettingError(f"--oidc-{name.replace('_', '-')} must not be empty")
    if settings.oidc_issuer is None:
        others = ("audience", "jwks_url", "grants_claim", "service_claim")
        # An operator who sets one of these expects an effect, so ignoring it would be unsafe.
        if any(getattr(settings, f"oidc_{name}") for name in others):
            raise SettingError(
                "--oidc-audience, --oidc-jwks-url, --oidc-grants-claim and --oidc-service-claim "
                "need --oidc-issuer"
            )
    elif set(settings.oidc_issuer) & set("?#"):
        raise SettingError("--oidc-issuer must have no query and no fragment")
    elif not settings.oidc_audience and not settings.console_oidc_client:
        raise SettingError("--oidc-issuer needs --oidc-audience")


def setting(default: Any, help: str, **bounds: Any) -> Any:
    """A field of the settings; `bounds`: `least` and `most`, inclusive, or `choices`."""
    return field(default=default, metadata={"help": help, **bounds})


def check_range(name: str, value: Any, bounds: Any) -> None:
    """Check a value; `bounds`: `least` and `most`, or `choices`. Raises `SettingError`."""
    option = f"--{name.replace('_', '-')}"
    choices = bounds.get("choices")
    if choices is not None and value not in choices:
        raise SettingError(f"{option} must be one of {', '.join(choices)}, not {value!r}")
    least, most = bounds.get("least"), bounds.get("most")
    if least is not None and not least <= value <= most:
        raise SettingError(f"{option} must be from {least} to {most}, not {value}")


def check_url(name: str, url: str, schemes: tuple[str, ...]) -> None:
    """Require a URL of one of the schemes, with a host or a path. Raises `SettingError`."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.netloc or parts.path)
        if "," not in parts.netloc:
            _ = parts.port  # raises if the port is not a number
    except ValueError:
        usable = False
    if not usable:
        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        # The message omits the URL: it may contain a password.
        raise SettingError(f"--{name.replace('_', '-')} must be a URL that begins with {allowed}")
