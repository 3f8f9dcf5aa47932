from __future__ import annotations

import pytest
from starlette.requests import Request

from syncline_server.config.networks import FORWARDING_HEADERS
from syncline_server.http.loopback import is_local


def asked(client: str | None, host: str, *headers: tuple[bytes, bytes]) -> Request:
    return Request(
        {
            "type": "http",
            "scheme": "http",
            "path": "/",
            "query_string": b"",
            "client": None if client is None else (client, 50_000),
            "headers": [(b"host", host.encode()), *headers],
        }
    )


@pytest.mark.parametrize(
    ("client", "host"),
    [("127.0.0.1", "127.0.0.1:8040"), ("::1", "[::1]:8040"), ("127.0.0.1", "localhost")],
)
def test_this_machine(client: str, host: str) -> None:
    assert is_local(asked(client, host))


@pytest.mark.parametrize(
    ("client", "host"),
    [
        ("10.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "sync.example.org"),
        (None, "localhost"),
        ("nonsense", "localhost"),
    ],
)
def test_elsewhere(client: str | None, host: str) -> None:
    assert not is_local(asked(client, host))


@pytest.mark.parametrize(
    ("origins", "local"),
    [
        (["http://127.0.0.1:8040"], True),
        (["http://127.0.0.1:3000"], False),
        (["http://localhost:8040"], False),
        (["https://evil.example"], False),
        (["null"], False),
        (["http://127.0.0.1:8040", "https://evil.example"], False),
    ],
)
def test_for_a_page(origins: list[str], local: bool) -> None:
    """Not for a page of another site, even in a browser on this machine."""
    headers = [(b"origin", origin.encode()) for origin in origins]
    assert is_local(asked("127.0.0.1", "127.0.0.1:8040", *headers)) is local


@pytest.mark.parametrize("header", [name.encode() for name in FORWARDING_HEADERS])
def test_behind_a_proxy(header: bytes) -> None:
    assert not is_local(asked("127.0.0.1", "localhost", (header, b"10.0.0.1")))
    assert not is_local(asked("127.0.0.1", "localhost", (header, b"127.0.0.1")))


def test_behind_one_that_adds_nothing_but_speaks_an_old_version() -> None:
    request = asked("127.0.0.1", "127.0.0.1:8040")
    request.scope["http_version"] = "1.0"
    assert not is_local(request)


@pytest.mark.parametrize("host", ["", "[", "[::1", "example.com:99999", "127.0.0.1@example.com"])
def test_a_host_that_makes_no_sense(host: str) -> None:
    request = asked("127.0.0.1", host)
    # From this, Starlette makes URLs where a request's `Host` is of no use.
    request.scope["server"] = ("127.0.0.1", 8040)
    assert not is_local(request)


def test_two_hosts() -> None:
    assert not is_local(asked("127.0.0.1", "localhost", (b"host", b"localhost")))


def test_none() -> None:
    request = asked("127.0.0.1", "localhost")
    request.scope["headers"] = []
    request.scope["server"] = ("127.0.0.1", 8040)
    assert not is_local(request)
