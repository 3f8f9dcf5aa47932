from __future__ import annotations

import pytest
from starlette.requests import Request

from syncline_server.locality import is_local


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


@pytest.mark.parametrize("header", [b"x-forwarded-for", b"forwarded"])
def test_behind_a_proxy(header: bytes) -> None:
    assert not is_local(asked("127.0.0.1", "localhost", (header, b"10.0.0.1")))
