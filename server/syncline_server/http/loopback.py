"""Check whether a request comes directly from this machine."""

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
    """True for a request from this machine, or from `networks`, that no proxy forwarded.

    The `Host` must be local too, and a request with an `Origin` must come from a page of this
    server. Otherwise a foreign page could reach this server through a browser on this machine,
    directly or by a DNS name of its own that points to this machine.
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
    """True if a proxy forwarded the request. By default nginx adds no header, but before its
    version 1.29.7 it speaks HTTP/1.0, which no current client does."""
    is_old = request.scope.get("http_version") == "1.0"
    return is_old or any(name in request.headers for name in FORWARDING_HEADERS)


def _host_name(request: Request) -> str:
    """Host name of the `Host` header; "" without exactly one valid header. Starlette's own parser
    would substitute this server's address for a malformed one."""
    hosts = request.headers.getlist("host")
    try:
        return urlsplit(f"//{hosts[0]}").hostname or "" if len(hosts) == 1 else ""
    except ValueError:
        return ""
