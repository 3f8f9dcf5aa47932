"""URLs at which nobody on the way can answer instead."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

__all__ = ["is_loopback", "is_secure"]


def is_loopback(host: str) -> bool:
    """True for a host, without a port, that is this machine."""
    try:
        address = ipaddress.ip_address(host)
        # How a socket for both families shows callers of the older one.
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback
    except ValueError:
        return host == "localhost"


def is_secure(url: str) -> bool:
    """True for https, and for http to this machine; not with credentials in it, or for no URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where the port is no number
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not is_plain or not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
