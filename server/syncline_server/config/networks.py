"""Trusted proxies: the client, scheme and host that their `X-Forwarded-*` headers name."""

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
"""Headers that show that a proxy forwarded a request, in lower case; most are not trusted."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What trusted proxies state about a request; None for each thing that they do not state.

    Attributes:
        client: the nearest address that is not a trusted proxy.
        scheme: `http` or `https`, as the client used it.
        host: the `Host` that the client sent, unchecked.
    """

    client: str | None
    scheme: str | None
    host: str | None


class Proxies:
    """The proxies of `--trusted-proxies`.

    A client can send these headers itself, so only the parts that a trusted proxy added or passed
    on count: `X-Forwarded-For` from its end back to the first address that is not a trusted proxy,
    and the last value of `X-Forwarded-Proto` and `X-Forwarded-Host`. `Forwarded` (RFC 7239) is not
    read: a proxy that sets one kind of header mostly passes on the other kind as the client sent.
    """

    def __init__(self, networks: Collection[Network]) -> None:
        self._networks = tuple(networks)

    def resolve(self, peer: str, values: HeaderValues) -> Forwarded | None:
        """What the headers of a request from the address `peer` state; None if `peer` is not a
        trusted proxy."""
        if not self._networks or not self._trusts(_parsed(peer)):
            return None
        scheme = _last(values("x-forwarded-proto")).lower()
        return Forwarded(
            self._client(_elements(values("x-forwarded-for"))),
            scheme if scheme in ("http", "https") else None,
            _last(values("x-forwarded-host")) or None,
        )

    def _client(self, hops: Sequence[str]) -> str | None:
        """The nearest address that is not a trusted proxy. Each proxy appends the address from
        which it received the request."""
        nearest: Address | None = None
        for hop in reversed(hops):
            address = _parsed(_without_port(hop))
            if address is None:
                break  # `unknown` or malformed: the addresses before it cannot be trusted
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
    # A dual-stack socket shows IPv4 clients as IPv4-mapped IPv6 addresses.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _without_port(hop: str) -> str:
    """`hop` without the port that some proxies append."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _elements(values: Sequence[str]) -> list[str]:
    return [element.strip() for value in values for element in value.split(",")]


def _last(values: Sequence[str]) -> str:
    return _elements(values)[-1] if values else ""
