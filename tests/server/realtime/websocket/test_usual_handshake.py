"""Requests that are answered in one step, beside the library's answers to the same ones."""

from __future__ import annotations

import logging
from http import HTTPStatus

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from syncline_server.realtime.websocket.usual_handshake import (
    DEFLATE,
    acceptance,
    negotiate,
    read_request,
    rejection,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
USUAL = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
BROWSERS = "permessage-deflate; client_max_window_bits"


def head(line: str = "GET /v1/ws HTTP/1.1", *more: str, **changed: str | None) -> bytes:
    """A request; a header that is None is omitted, `_` stands for `-` in names."""
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    headers = {**USUAL, **named}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([line, *lines, *more, "", ""]).encode("latin-1")


def library_answer(data: bytes) -> tuple[int, dict[str, str]]:
    """The library's answer: its status, and its headers without the date."""
    line, *lines = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, path, version = line.split(" ")
    pairs = [each.partition(":") for each in lines]
    headers = Headers([(name, value.strip()) for name, _, value in pairs])
    parser = ServerProtocol(extensions=[DEFLATE], logger=logging.getLogger("test"))
    response = parser.accept(Request(path, headers, method, version))
    named = {name: value for name, value in response.headers.raw_items() if name != "Date"}
    return response.status_code, named


ACCEPTED = {
    "usual": head(),
    "names in lower case": head().replace(b"Upgrade: ", b"upgrade: "),
    "values in other cases": head(Upgrade="WebSocket", Connection="upgrade"),
    "Firefox": head(Connection="keep-alive, Upgrade"),
    "a query": head("GET /v1/ws?a=b HTTP/1.1"),
    "deflate": head(Sec_WebSocket_Extensions=BROWSERS),
    "an extension that is not known": head(Sec_WebSocket_Extensions="bbf-usp-protocol; eid=a"),
}

OTHERS = {
    "empty": b"",
    "half": head()[:40],
    "no end": head()[:-2],
    "bytes after the end": head() + b"\x81\x80\0\0\0\0",
    "a second request": head() + head(),
    "another method": head("POST /v1/ws HTTP/1.1"),
    "a method in lower case": head("get /v1/ws HTTP/1.1"),
    "HTTP/1.0": head("GET /v1/ws HTTP/1.0"),
    "no version": head("GET /v1/ws"),
    "no upgrade": head(Upgrade=None),
    "another upgrade": head(Upgrade="h2c"),
    "two upgrades": head(Upgrade="websocket, h2c"),
    "no connection": head(Connection=None),
    "connection close": head(Connection="close"),
    "no key": head(Sec_WebSocket_Key=None),
    "a short key": head().replace(KEY.encode(), b"c2hvcnQ="),
    "a long key": head().replace(KEY.encode(), b"A" * 44),
    "a key that is no base64": head().replace(KEY.encode(), b"!" * 24),
    "an old version": head().replace(b": 13", b": 8"),
    "a header twice": head("GET /v1/ws HTTP/1.1", "Origin: a", "Origin: b"),
    "a body": head(Content_Length="4"),
    "an empty body": head(Content_Length="0"),
    "chunks": head(Transfer_Encoding="chunked"),
    "a folded header": head("GET /v1/ws HTTP/1.1", "X-Folded: a", " b"),
    "a header without a colon": head("GET /v1/ws HTTP/1.1", "X"),
    "a header with a space": head("GET /v1/ws HTTP/1.1", "X : a"),
    "line feeds": head().replace(b"\r\n", b"\n"),
    "TLS": bytes.fromhex("16030100a5010000a10303"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts_as_the_library_does(name: str) -> None:
    data = ACCEPTED[name]
    request = read_request(data)
    assert request is not None
    status, headers = library_answer(data)
    assert status == 101
    extensions = negotiate(request.head.headers.get(b"sec-websocket-extensions", b"")) or b""
    line, *lines = acceptance(request, None, extensions).removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert line == b"HTTP/1.1 101 Switching Protocols"
    made = dict(each.decode().split(": ", 1) for each in lines)
    assert made.pop("Date").endswith(" GMT")
    assert made == headers


@pytest.mark.parametrize("name", OTHERS)
def test_leaves_the_rest_to_http(name: str) -> None:
    assert read_request(OTHERS[name]) is None


def test_each_request_of_a_known_head_is_answered_by_its_own_key() -> None:
    keys = [KEY, "AAAAAAAAAAAAAAAAAAAAAA==", "/+/+/+/+/+/+/+/+/+/+/w=="]
    requests = [read_request(head(Sec_WebSocket_Key=key)) for key in keys]
    found = [request for request in requests if request is not None]
    assert [each.key.decode() for each in found] == keys
    assert len({id(each.head) for each in found}) == 1  # parsed once
    for key, request in zip(keys, found, strict=True):
        accept = library_answer(head(Sec_WebSocket_Key=key))[1]["Sec-WebSocket-Accept"]
        assert f"Sec-WebSocket-Accept: {accept}\r\n".encode() in acceptance(request, None, b"")


@pytest.mark.parametrize("name", [name for name in OTHERS if "key" in name or "twice" in name])
def test_a_known_head_lets_no_wrong_request_pass(name: str) -> None:
    assert read_request(head()) is not None
    assert read_request(OTHERS[name]) is None


def test_a_key_counts_once() -> None:
    again = f"Sec-WebSocket-Key: {KEY}"
    assert read_request(head()) is not None
    assert read_request(head("GET /v1/ws HTTP/1.1", again)) is None
    assert read_request(head("GET /v1/ws HTTP/1.1", again.lower())) is None


def test_a_long_head_is_not_remembered() -> None:
    data = head(X="x" * 3000)
    first, second = read_request(data), read_request(data)
    assert first is not None and second is not None
    assert first.head is not second.head
    assert first.head.values("X") == ["x" * 3000]


def test_names_the_subprotocol_and_the_extension() -> None:
    request = read_request(head())
    assert request is not None
    response = acceptance(request, "syncline.v1", b"permessage-deflate")
    assert b"\r\nSec-WebSocket-Protocol: syncline.v1\r\n" in response
    assert b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n" in response


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (b"permessage-deflate; server_max_window_bits=10", b""),
        (b"permessage-deflate; " + b"x" * 300, None),
        (b"permessage-deflate; =", None),
    ],
)
def test_uses_no_extension_that_does_not_fit(offer: bytes, answer: bytes | None) -> None:
    assert negotiate(offer) == answer


def test_refuses_as_the_library_does() -> None:
    parser = ServerProtocol(logger=logging.getLogger("test"))
    expected = parser.reject(HTTPStatus.TOO_MANY_REQUESTS, "Too many.\n")
    expected.headers["Retry-After"] = "1"
    made = rejection(HTTPStatus.TOO_MANY_REQUESTS, "Too many.", {"Retry-After": "1"})

    def without_date(response: bytes) -> list[bytes]:
        return [line for line in response.split(b"\r\n") if not line.startswith(b"Date: ")]

    assert without_date(made) == without_date(expected.serialize())
