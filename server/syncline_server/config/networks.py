"""Proxies that are believed: for whom they ask, and under which address they were asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

__all__ = ["FORWARDING_HEADERS", "Forwarded", "Network", "Proxies"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HeaderValues = Callable[[str], Sequence[str]]
"""The values of all headers of one name, in their order."""

FORWARDING_HEADERS = (
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "forwarded",
    "via",
)
"""What tells that a proxy stands before a caller, in lower case; most of them are not believed."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What proxies say of a request; None for what they do not say.

    Attributes:
        client: the address of the nearest one that is no proxy of ours.
        scheme: `http` or `https`, as the client used it.
        host: the `Host` that the client sent, in any form.
    """

    client: str | None
    scheme: str | None
    host: str | None


class Proxies:
    """Those of `--trusted-proxies`.

    Of the headers that a client could have sent itself nothing is believed but what one of these
    added or passed on: `X-Forwarded-For` from its end to the first address that is not theirs, and
    the last value of `X-Forwarded-Proto` and `X-Forwarded-Host`. `Forwarded` (RFC 7239) is not
    read: a proxy that sets one kind of header mostly lets the other pass as the client sent it.
    """

    def __init__(self, networks: Collection[Network]) -> None:
        self._networks = tuple(networks)

    def look(self, peer: str, values: HeaderValues) -> Forwarded | None:
        """What the headers say of a request from the address `peer`; None where that is no proxy
        of ours."""
        if not self._networks or not self._trusts(_parsed(peer)):
            return None
        scheme = _last(values("x-forwarded-proto")).lower()
        return Forwarded(
            self._client(_elements(values("x-forwarded-for"))),
            scheme if scheme in ("http", "https") else None,
            _last(values("x-forwarded-host")) or None,
        )

    def _client(self, hops: Sequence[str]) -> str | None:
        """Each proxy adds at the end from whom it got the request."""
        nearest: Address | None = None
        for hop in reversed(hops):
            address = _parsed(_without_port(hop))
            if address is None:
                break  # `unknown`, or nonsense: whoever stands behind that is not known
            nearest = address
            if not self._trusts(address):
                break
        return None if nearest is None else str(nearest)

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # How a socket for both families shows callers of the older one.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _without_port(hop: str) -> str:
    """Some proxies add it."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _elements(values: Sequence[str]) -> list[str]:
    return [element.strip() for value in values for element in value.split(",")]


def _last(values: Sequence[str]) -> str:
    return _elements(values)[-1] if values else ""
