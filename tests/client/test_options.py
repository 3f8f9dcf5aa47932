from __future__ import annotations

from typing import Any

import pytest

import syncline
from syncline.options import Options, Server

GOOD: dict[str, Any] = {
    "transport": "auto",
    "open_timeout": 10,
    "request_timeout": 30,
    "mutate_timeout": 60,
    "backoff_initial": 0.5,
    "backoff_limit": 30,
    "websocket_retry": 60,
    "event_queue": 256,
}


@pytest.mark.parametrize(
    ("url", "http_url", "websocket_url"),
    [
        ("http://127.0.0.1:8040", "http://127.0.0.1:8040", "ws://127.0.0.1:8040/v1/ws"),
        ("https://example.com", "https://example.com", "wss://example.com/v1/ws"),
        ("ws://example.com", "http://example.com", "ws://example.com/v1/ws"),
        ("wss://example.com/", "https://example.com", "wss://example.com/v1/ws"),
        ("HTTPS://example.com", "https://example.com", "wss://example.com/v1/ws"),
        ("http://[::1]:8040", "http://[::1]:8040", "ws://[::1]:8040/v1/ws"),
        ("https://example.com/sync/", "https://example.com/sync", "wss://example.com/sync/v1/ws"),
    ],
)
def test_both_addresses_come_from_one_url(url: str, http_url: str, websocket_url: str) -> None:
    assert Server.parse(url) == Server(http_url, websocket_url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "localhost:8040",
        "ftp://example.com",
        "http://",
        "http://:8040",
        "http:///path",
        "http://example.com:0",
        "http://example.com:65536",
        "http://example.com:port",
        "http://[::1",
        "http://user@example.com",
        "http://:secret@example.com",
        "http://example.com?a=b",
        "http://example.com#a",
    ],
)
def test_what_cannot_be_a_servers_url_is_a_value_error(url: str) -> None:
    with pytest.raises(ValueError):
        Server.parse(url)


def test_the_error_says_what_a_url_looks_like_and_keeps_credentials_to_itself() -> None:
    with pytest.raises(ValueError, match=r"must be http\(s\)://host or ws\(s\)://host, not 'host'"):
        Server.parse("host")
    with pytest.raises(ValueError, match="no query, fragment or credentials") as caught:
        Server.parse("http://user:secret@example.com")
    assert "secret" not in str(caught.value)


def test_the_defaults_are_in_range() -> None:
    syncline.connect("http://example.com", token="eyJ")

    assert Options(**GOOD)


@pytest.mark.parametrize("name", [name for name in GOOD if name != "transport"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_time_or_a_bound_is_greater_than_zero(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be greater than 0, not {value}"):
        Options(**{**GOOD, name: value})


def test_a_transport_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="one of auto, websocket, rest, not 'carrier pigeon'"):
        Options(**{**GOOD, "transport": "carrier pigeon"})


def test_a_wrong_option_is_reported_before_anything_is_connected() -> None:
    with pytest.raises(ValueError, match="event_queue"):
        syncline.connect("http://example.com", token="eyJ", event_queue=0)
