from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import httpcore2
import pytest

from syncline_server.webhooks import ssrf_guard as guard
from syncline_server.webhooks.ssrf_guard import AddressRefused, GuardedBackend, Resolver, is_allowed

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.255.255",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_is(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address))


def test_networks_can_be_allowed() -> None:
    allowed = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8")]
    for address, expected in [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.2.0.1", False),
        ("fd12::1", True),
        ("fc00::1", False),
        ("127.0.0.1", False),
    ]:
        assert is_allowed(ipaddress.ip_address(address), allowed) is expected


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "0",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "169.254.169.254",
        "2852039166",
        "fe80::1%lo",
    ],
)
async def test_every_way_to_write_a_private_address_is_refused(host: str) -> None:
    resolver = Resolver()
    with pytest.raises(AddressRefused):
        await GuardedBackend(resolver, []).connect_tcp(host, 80, timeout=5)
    resolver.close()


async def test_the_connection_goes_to_the_address_that_was_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that changes between the look and the connection gains nothing."""
    answers = iter([["127.0.0.2"], ["10.0.0.1"], ["10.0.0.1", "127.0.0.1"]])
    monkeypatch.setattr(guard, "_resolve", lambda _: _addresses(*next(answers)))
    peers: list[Any] = []

    def on_connect(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("sockname")[0])
        writer.close()

    server = await asyncio.start_server(on_connect, "0.0.0.0")
    port = server.sockets[0].getsockname()[1]
    resolver = Resolver()
    backend = GuardedBackend(resolver, [ipaddress.ip_network("127.0.0.0/8")])
    async with server:
        await _touch(backend, port)
        with pytest.raises(AddressRefused):
            await backend.connect_tcp("changing.example", port, timeout=5)
        # Of several, those that may not be reached are skipped.
        await _touch(backend, port)
    assert peers == ["127.0.0.2", "127.0.0.1"]
    resolver.close()


async def test_a_name_that_there_is_not_is_a_failure_to_connect() -> None:
    resolver = Resolver()
    backend = GuardedBackend(resolver, [])
    for host in ("nothing.invalid", "a" * 64 + ".example"):
        with pytest.raises(httpcore2.ConnectError):
            await backend.connect_tcp(host, 80, timeout=5)
    resolver.close()


async def test_a_name_is_looked_up_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def look_up(_: str) -> Any:
        nonlocal looked
        looked += 1
        return _addresses("10.0.0.1")

    monkeypatch.setattr(guard, "_resolve", look_up)
    resolver = Resolver()
    await asyncio.gather(*(resolver.addresses("slow.example") for _ in range(20)))
    assert looked == 1
    await resolver.addresses("slow.example")
    assert looked == 2
    resolver.close()


async def _touch(backend: GuardedBackend, port: int) -> None:
    stream = await backend.connect_tcp("changing.example", port, timeout=5)
    assert await stream.read(1, timeout=5) == b""
    await stream.aclose()


def _addresses(*texts: str) -> list[Any]:
    return [ipaddress.ip_address(text) for text in texts]
