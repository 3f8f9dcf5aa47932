"""No webhook goes to a network that only this server can reach.

A name is looked up once, when a connection is made, and the connection goes to the very address
that was looked at: a name that changes meanwhile gains nothing.
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
"""Names that are looked up at once; more wait."""

# IANA's registries of special addresses, and multicast. Listed here, since what Python calls
# private differs between its releases.
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
    """The name leads nowhere but to networks that webhooks must not reach."""


class Resolver:
    """Looks names up, each at most once at a time: a slow one takes one thread."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="webhook-names")
        self._under_way: dict[str, asyncio.Future[list[Address]]] = {}

    async def addresses(self, host: str) -> list[Address]:
        """All of a name, or the one that is written out. Raises `OSError`."""
        found = self._under_way.get(host)
        if found is None:
            loop = asyncio.get_running_loop()
            found = loop.run_in_executor(self._executor, _look_up, host)
            self._under_way[host] = found
            found.add_done_callback(lambda _: self._under_way.pop(host, None))
        return await asyncio.shield(found)

    def close(self) -> None:
        """Look nothing up any more."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses, and to the networks that are allowed beside them."""

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
        """As the base class; raises `AddressRefused` too."""
        try:
            found = await self._resolver.addresses(host)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} cannot be looked up: {error}") from None
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
    """True for a public address, and for one in `allowed`, whatever form it is given in."""
    inner = _inner(address)
    if any(each in network for network in allowed for each in (address, inner)):
        return True
    if isinstance(inner, ipaddress.IPv4Address):
        return not any(inner in network for network in _NOT_PUBLIC_4)
    return inner in _PUBLIC_6 and not any(inner in network for network in _NOT_PUBLIC_6)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _look_up(host: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label is too long
        raise OSError(str(error)) from None
    # Without the interface that a link-local address may name.
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
