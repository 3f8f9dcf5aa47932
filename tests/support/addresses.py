"""Addresses of this machine."""

from __future__ import annotations

import socket

import psutil

__all__ = ["own_address"]


def own_address() -> str | None:
    """One of this machine's addresses that is no loopback; None if it has none."""
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family is socket.AF_INET and not each.address.startswith("127."):
                return str(each.address)
    return None
