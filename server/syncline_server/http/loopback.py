"""Check whether a request comes directly from this machine, or from a network that is named."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request

from syncline_server.auth.origins import Origins
from syncline_server.config.networks import FORWARDING_HEADERS, Network
from syncline_server.config.urls import is_loopback

__all__ = ["is_local", "why_not_local"]

_NOBODY_ELSES = Origins([], None)


def is_local(request: Request, networks: Collection[Network] = ()) -> bool:
    """True for a request from this machine, or from `networks`, that no proxy forwarded."""
    return why_not_local(request, networks) is None


def why_not_local(request: Request, networks: Collection[Network] = ()) -> str | None:
    """Why a request does not count as local, as a sentence; None if it does.

    The `Host` must be local too, and a request with an `Origin` must come from a page of this
    server. Otherwise a foreign page could reach this server through a browser on this machine,
    directly or by a DNS name of its own that points to this machine. A client in `networks` may
    also use an IP address as `Host`, which no DNS name can stand behind.
    """
    if _is_forwarded(request):
        return "This request came through a proxy."
    client = request.client.host if request.client else ""
    is_named = _is_in(networks, client)
    if not (is_named or is_loopback(client)):
        return f"This client's address is {client or 'unknown'}."
    name = _host_name(request)
    if not (is_loopback(name) or (is_named and _is_address(name))):
        return f"The page was opened by the name {name!r}, not by an IP address or as localhost."
    if not _NOBODY_ELSES.admit(request.headers.getlist("origin"), request.headers["host"]):
        return "The request came from a page of another origin."
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


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
