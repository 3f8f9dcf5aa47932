"""Whether a caller is on this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request

from syncline_server.auth.origins import Origins
from syncline_server.config.networks import FORWARDING_HEADERS, Network
from syncline_server.config.urls import is_loopback

__all__ = ["is_local"]

_NOBODY_ELSES = Origins([], None)


def is_local(request: Request, networks: Collection[Network] = ()) -> bool:
    """True for a caller on this machine, or in the networks, that no proxy stands before.

    The `Host` must be local too: a page elsewhere must not get at anything by having its own name
    point to this machine, nor by asking the browser of somebody who is on it.
    """
    return (
        not _is_forwarded(request)
        and request.client is not None
        and (is_loopback(request.client.host) or _is_in(networks, request.client.host))
        and is_loopback(_host_name(request))
        and _NOBODY_ELSES.admit(request.headers.getlist("origin"), request.headers["host"])
    )


def _is_in(networks: Collection[Network], host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((mapped or address) in network for network in networks)


def _is_forwarded(request: Request) -> bool:
    """nginx adds no header unless it is told to, but speaks a version that nobody else does."""
    is_old = request.scope.get("http_version") == "1.0"
    return is_old or any(name in request.headers for name in FORWARDING_HEADERS)


def _host_name(request: Request) -> str:
    """As the caller wrote it: Starlette puts this server's own address where it makes no sense."""
    hosts = request.headers.getlist("host")
    try:
        return urlsplit(f"//{hosts[0]}").hostname or "" if len(hosts) == 1 else ""
    except ValueError:
        return ""
