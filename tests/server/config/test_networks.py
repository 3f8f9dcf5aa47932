from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from syncline_server.config.networks import Forwarded, Proxies

PROXIES = Proxies([ip_network(n) for n in ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")])

CLIENT, INNER, OUTER = "203.0.113.9", "10.1.2.3", "192.0.2.7"


def resolve(peer: str, *headers: tuple[str, str], proxies: Proxies = PROXIES) -> Forwarded | None:
    return proxies.resolve(
        peer, Headers(raw=[(n.encode(), v.encode()) for n, v in headers]).getlist
    )


def client(*values: str) -> str | None:
    said = resolve(INNER, *(("x-forwarded-for", value) for value in values))
    assert said is not None
    return said.client


@pytest.mark.parametrize("peer", [CLIENT, "127.0.0.1", "::1", "192.0.2.8", "11.0.0.1", "", "h"])
def test_nobody_else_is_believed(peer: str) -> None:
    headers = ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")
    assert resolve(peer, *headers) is None


def test_where_there_are_no_proxies_none_is_believed() -> None:
    assert resolve("127.0.0.1", ("x-forwarded-for", CLIENT), proxies=Proxies([])) is None


@pytest.mark.parametrize("peer", [INNER, OUTER, "2001:db8::1", "2001:DB8:0::1", "::ffff:10.1.2.3"])
def test_a_proxy_is_known_by_its_address_however_that_is_written(peer: str) -> None:
    assert resolve(peer) == Forwarded(None, None, None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([CLIENT], CLIENT),
        # What the client sent itself stands before what proxies added.
        ([f"1.1.1.1, 127.0.0.1, {CLIENT}"], CLIENT),
        ([f"1.1.1.1, {CLIENT}, {OUTER}, {INNER}"], CLIENT),
        (["1.1.1.1", f"{CLIENT},{OUTER}"], CLIENT),
        ([f"{OUTER}, {CLIENT}, {INNER}"], CLIENT),
        ([f"{CLIENT}:50000"], CLIENT),
        (["2001:db9::1"], "2001:db9::1"),
        (["[2001:db9::1]:50000"], "2001:db9::1"),
        (["[2001:db9::1]"], "2001:db9::1"),
        ([f"::ffff:{CLIENT}"], CLIENT),
        # Only proxies: the farthest that is known.
        ([OUTER], OUTER),
        ([f"{OUTER}, {INNER}"], OUTER),
        # What is no address hides all before it.
        ([f"{CLIENT}, unknown"], None),
        ([f"{CLIENT}, unknown, {OUTER}"], OUTER),
        ([f"{CLIENT}, "], None),
        (["example.com"], None),
        (["[::1"], "::1"),
        (["1.2.3.4:5:6"], None),
        ([""], None),
        ([], None),
        (["fe80::1%eth0"], "fe80::1%eth0"),
    ],
)
def test_the_client_is_the_nearest_that_is_no_proxy(
    values: list[str], expected: str | None
) -> None:
    assert client(*values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["https"], "https"),
        (["HTTPS"], "https"),
        (["http"], "http"),
        (["https, http"], "http"),
        (["http", "https"], "https"),
        (["wss"], None),
        (["javascript"], None),
        ([""], None),
    ],
)
def test_the_scheme_is_the_last_one(values: list[str], expected: str | None) -> None:
    said = resolve(INNER, *(("x-forwarded-proto", value) for value in values))
    assert said is not None and said.scheme == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["sync.example.com"], "sync.example.com"),
        (["a.example, b.example:8443"], "b.example:8443"),
        (["a.example", "b.example"], "b.example"),
        ([""], None),
    ],
)
def test_the_host_is_the_last_one(values: list[str], expected: str | None) -> None:
    said = resolve(INNER, *(("x-forwarded-host", value) for value in values))
    assert said is not None and said.host == expected


def test_the_header_of_the_standard_is_not_believed() -> None:
    headers = ("forwarded", "for=1.2.3.4;proto=https;host=h"), ("x-real-ip", "1.2.3.4")
    assert resolve(INNER, *headers) == Forwarded(None, None, None)


@given(st.lists(st.text("0123456789abcdef.:[]%, unkow", max_size=60), max_size=3))
def test_whatever_is_said_the_client_is_an_address_or_not_known(values: list[str]) -> None:
    said = client(*values)
    assert said is None or str(ip_address(said)) == said
