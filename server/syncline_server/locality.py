"""Whether a caller is on this machine."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request

__all__ = ["is_local"]


def is_local(request: Request) -> bool:
    """True for a caller on this machine that no proxy stands before.

    The `Host` must be local too: a page elsewhere must not get at anything by having its own name
    point to this machine.
    """
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    return (
        not forwarded
        and request.client is not None
        and _is_loopback(request.client.host)
        and _is_loopback(request.url.hostname or "")
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
