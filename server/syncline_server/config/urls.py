"""Checks of URLs and hosts: loopback, and protection against interception."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

__all__ = ["is_loopback", "is_secure"]


def is_loopback(host: str) -> bool:
    """True if `host`, without a port, is this machine."""
    try:
        address = ipaddress.ip_address(host)
        # A dual-stack socket shows IPv4 clients as IPv4-mapped IPv6 addresses.
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback
    except ValueError:
        return host == "localhost"


def is_secure(url: str) -> bool:
    """True for https, and for http to this machine. False if the URL contains credentials or is
    malformed."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if the port is not a number
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not is_plain or not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
