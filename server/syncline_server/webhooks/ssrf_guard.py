"""SSRF guard: webhooks must not reach private networks.

A host name is resolved once for each connection, and the connection goes to the address that was
checked. So a DNS record that changes between check and connect gains an attacker nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpcore2

from syncline_server.config.networks import Network

__all__ = ["AddressRefused", "GuardedBackend", "Resolver", "is_allowed"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOKUPS = 32
"""Maximum concurrent DNS lookups; further ones wait."""

# IANA's registries of special-purpose addresses, and multicast. Listed here because `is_private`
# differs between Python releases.
_NOT_PUBLIC_4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
]
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = [
    ipaddress.IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")
]
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(httpcore2.ConnectError):
    """All addresses of a host are in networks that webhooks must not reach."""


class Resolver:
    """Resolves host names. Concurrent lookups of a name share one, so that a slow name server
    occupies only one thread for each name."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="webhook-names")
        self._under_way: dict[str, asyncio.Future[list[Address]]] = {}

    async def addresses(self, host: str) -> list[Address]:
        """All addresses of a host name, or the IP address in `host`. Raises `OSError`."""
        found = self._under_way.get(host)
        if found is None:
            loop = asyncio.get_running_loop()
            found = loop.run_in_executor(self._executor, _resolve, host)
            self._under_way[host] = found
            found.add_done_callback(lambda _: self._under_way.pop(host, None))
        # Shielded: a caller that times out must not cancel the lookup of the others.
        return await asyncio.shield(found)

    def close(self) -> None:
        """Stop all lookups."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Network backend that connects only to public addresses and `allowed` networks."""

    def __init__(self, resolver: Resolver, allowed: Sequence[Network]) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """As in the base class; also raises `AddressRefused`."""
        try:
            found = await self._resolver.addresses(host)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} cannot be resolved: {error}") from None
        usable = [address for address in found if is_allowed(address, self._allowed)]
        if not usable:
            raise AddressRefused(f"{host} is in a network that webhooks must not reach")
        failure: Exception | None = None
        for address in usable:
            try:
                return await self._backend.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure


def is_allowed(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """True for a public address, and for one in `allowed`. An IPv6 address that embeds an IPv4
    address is public if the latter is, and may be in `allowed` as either."""
    inner = _inner(address)
    if any(each in network for network in allowed for each in (address, inner)):
        return True
    if isinstance(inner, ipaddress.IPv4Address):
        return not any(inner in network for network in _NOT_PUBLIC_4)
    return inner in _PUBLIC_6 and not any(inner in network for network in _NOT_PUBLIC_6)


def _inner(address: Address) -> Address:
    """The IPv4 address that a mapped or NAT64 IPv6 address embeds, else `address`."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _resolve(host: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # raised for a label that is too long
        raise OSError(str(error)) from None
    # Drop the interface (`%eth0`) of a link-local address.
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
