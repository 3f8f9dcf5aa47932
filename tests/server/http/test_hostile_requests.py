"""Requests that two parsers could understand differently, and paths that could lead elsewhere."""

from __future__ import annotations

import base64
import re
import socket

import pytest

from support.server import RunningServer
from support.socket import WAIT

PATH = b"/v1/Services/default/Documents"
HOST = b"Host: a"
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"

LAST = b"GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
"""Follows each request: it is answered 404 where it is taken for a request of its own."""

ONE_CHUNK = b"2\r\n{}\r\n0\r\n\r\n"


def exchange(server: RunningServer, sent: bytes) -> bytes:
    """All that is answered until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def statuses(reply: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"(?:^|})HTTP/1\.1 (\d+) ", reply)]


def login(server: RunningServer) -> bytes:
    credentials = base64.b64encode(":".join(server.basic).encode())
    return b"Authorization: Basic " + credentials


def post(server: RunningServer, lines: list[bytes], body: bytes) -> bytes:
    head = [b"POST " + PATH + b" HTTP/1.1", HOST, login(server), JSON, *lines, b"", b""]
    return b"\r\n".join(head) + body


# Lines of the head, and what follows it.
AMBIGUOUS: dict[str, tuple[list[bytes], bytes]] = {
    "a length and chunks": ([b"Content-Length: 4", CHUNKED], b"0\r\n\r\n"),
    "chunks and a length": ([CHUNKED, b"Content-Length: 4"], b"0\r\n\r\n"),
    "two lengths": ([b"Content-Length: 2", b"Content-Length: 40"], b"{}"),
    "one length twice": ([b"Content-Length: 2", b"Content-Length: 2"], b"{}"),
    "a list of lengths": ([b"Content-Length: 2, 2"], b"{}"),
    "a length with a sign": ([b"Content-Length: +2"], b"{}"),
    "a hexadecimal length": ([b"Content-Length: 0x2"], b"{}"),
    "a length with an underscore": ([b"Content-Length: 0_2"], b"{}"),
    "a blank before the colon of a length": ([b"Content-Length : 2"], b"{}"),
    "a blank before the colon of chunks": ([b"Transfer-Encoding : chunked"], ONE_CHUNK),
    "almost chunks": ([b"Transfer-Encoding: xchunked"], ONE_CHUNK),
    "chunks that are not last": ([b"Transfer-Encoding: chunked, identity"], ONE_CHUNK),
    "chunks twice": ([b"Transfer-Encoding: chunked, chunked"], ONE_CHUNK),
    "chunks after a vertical tab": ([b"Transfer-Encoding: \x0bchunked"], ONE_CHUNK),
    "chunks and a NUL": ([b"Transfer-Encoding: chunked\x00"], ONE_CHUNK),
    "chunks in quotes": ([b'Transfer-Encoding: "chunked"'], ONE_CHUNK),
    "chunks, and not": ([CHUNKED, b"Transfer-Encoding: identity"], ONE_CHUNK),
    "chunks in a folded line": ([b"Transfer-Encoding:", b" chunked"], ONE_CHUNK),
    "a folded line": ([b"X-A: 1", b" 2", b"Content-Length: 2"], b"{}"),
    "a bare line feed": ([b"X-A: 1\nContent-Length: 2"], b"{}"),
    "a bare carriage return": ([b"X-A: 1\rContent-Length: 2"], b"{}"),
    "a NUL in a value": ([b"X-A: 1\x002", b"Content-Length: 2"], b"{}"),
    "a chunk's size with 0x": ([CHUNKED], b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk's size with a sign": ([CHUNKED], b"+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk's size beyond 64 bits": ([CHUNKED], b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    "a chunk that goes on after its size": ([CHUNKED], b"2\r\n{}XX0\r\n\r\n"),
    "a chunk's size that ends with a line feed": ([CHUNKED], b"2\n{}\r\n0\r\n\r\n"),
    "a chunk's extension that does": ([CHUNKED], b"2;a\n{}\r\n0\r\n\r\n"),
    "a length in the trailer": ([CHUNKED], b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"),
}


@pytest.mark.parametrize("request_", AMBIGUOUS)
def test_what_has_two_meanings_is_refused_and_nothing_after_it_is_read(
    server: RunningServer, request_: str
) -> None:
    reply = exchange(server, post(server, *AMBIGUOUS[request_]) + LAST)
    # The document may have been made: all of the request had come, and what is wrong follows it.
    assert statuses(reply)[-1] == 400
    assert b"/smuggled" not in reply


CLEAR: dict[str, tuple[list[bytes], bytes]] = {
    "a length": ([b"Content-Length: 2"], b"{}"),
    "a length with blanks around": ([b"Content-Length:  2 "], b"{}"),
    "chunks": ([CHUNKED], ONE_CHUNK),
    "chunks in capitals": ([b"TRANSFER-ENCODING: CHUNKED"], ONE_CHUNK),
    "a chunk with an extension": ([CHUNKED], b"2;a=b\r\n{}\r\n0\r\n\r\n"),
    "a trailer": ([CHUNKED], b"2\r\n{}\r\n0\r\nX-A: 1\r\n\r\n"),
}


@pytest.mark.parametrize("request_", CLEAR)
def test_what_has_one_meaning_ends_where_it_says(server: RunningServer, request_: str) -> None:
    assert statuses(exchange(server, post(server, *CLEAR[request_]) + LAST)) == [201, 404]


def test_a_body_is_never_taken_for_a_request(server: RunningServer) -> None:
    for method, path, status in ((b"GET", PATH, 200), (b"DELETE", PATH + b"/none", 404)):
        length = b"Content-Length: %d" % len(LAST)
        head = [method + b" " + path + b" HTTP/1.1", HOST, login(server), length, b"", b""]
        reply = exchange(server, b"\r\n".join(head) + LAST + LAST)
        assert statuses(reply) == [status, 404]


def test_what_is_pipelined_is_answered_in_order(server: RunningServer) -> None:
    alive = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    assert statuses(exchange(server, alive * 3 + LAST)) == [200, 200, 200, 404]


UPGRADE = [
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        (b"GET", b"/v1/ws", [b"Content-Length: 5"], 400),
        (b"GET", b"/v1/ws", [CHUNKED], 400),
        (b"POST", b"/v1/ws", [], 405),
        (b"GET", PATH, [], 404),
        (b"GET", b"/v1/ws/", [], 404),
        (b"GET", b"/v1/ws", [b"Sec-WebSocket-Version: 8"], 400),
        (b"GET", b"/v1/ws", [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 400),
    ],
)
def test_a_handshake_that_is_none_closes_and_nothing_after_it_is_read(
    server: RunningServer, method: bytes, path: bytes, more: list[bytes], status: int
) -> None:
    head = [method + b" " + path + b" HTTP/1.1", HOST, *UPGRADE, *more, b"", b""]
    reply = exchange(server, b"\r\n".join(head) + LAST)
    assert statuses(reply) == [status]
    assert b"/smuggled" not in reply


def test_other_protocols_are_not_switched_to(server: RunningServer) -> None:
    lines = [b"Connection: Upgrade, HTTP2-Settings, close", b"Upgrade: h2c", b"HTTP2-Settings: AAM"]
    head = b"\r\n".join([b"GET /healthz HTTP/1.1", HOST, *lines, b"", b""])
    assert statuses(exchange(server, head)) == [200]
    assert statuses(exchange(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) == [400]


# Paths, and what comes of them for the account; what stands between the slashes is never decoded
# before it was taken apart, and decoded once.
PATHS = {
    b"/v1/Services/default%2FDocuments": 404,
    b"/v1/Services/default/Documents/..": 404,
    b"/v1/Services/default/Documents/../../default": 404,
    b"/v1/Services/x/../default/Documents": 404,
    b"/v1/Services/default/./Documents": 404,
    b"/v1/Services/default/Documents/%2e%2e": 404,
    b"/v1/Services/default/Documents/%2e%2e%2f%2e%2e": 404,
    b"/v1/Services/default/Documents/%252e%252e": 404,
    b"/v1/Services/default/Documents/a%00b": 404,
    b"/v1/Services/default/Documents/%c0%af": 400,
    b"/v1/Services/default/Documents/%e0%80%af": 400,
    b"/v1/Services/default/Documents/%ed%a0%80": 400,
    b"/v1/Services/default/Documents/%ff": 400,
    b"/v1/Services/default/Documents/%": 400,
    b"/v1/Services/default/Documents/%u002e": 400,
    b"/v1/Services/default/Documents/\xc3\xa9": 400,
    b"/v1/Services/default/Documents/": 404,
    b"/v1/Services/default/Documents;a=b": 404,
    b"//v1/Services/default/Documents": 404,
    b"/v1//Services/default/Documents": 404,
    b"/V1/services/default/documents": 404,
    b"/v1\\Services\\default\\Documents": 404,
    b"/demo/../../../etc/passwd": 404,
    b"/demo/%2e%2e/%2e%2e/%2e%2e/etc/passwd": 404,
    b"/demo/..%5c..%5cetc%5cpasswd": 404,
    b"/client//etc/passwd": 404,
    b"/client/..%2f..%2f..%2fREADME.md": 404,
    b"http://elsewhere.example/v1/Services/default/Documents/none": 404,
    b"http://elsewhere.example/healthz": 200,
    b"*": 404,
    b"elsewhere.example:443": 400,
}


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_anywhere_else(server: RunningServer, path: bytes) -> None:
    lines = [b"GET " + path + b" HTTP/1.1", HOST, login(server), b"Connection: close", b"", b""]
    reply = exchange(server, b"\r\n".join(lines))
    assert statuses(reply) == [PATHS[path]]
    assert b"root:" not in reply


def test_no_header_stands_in_for_a_method(server: RunningServer) -> None:
    head = [b"X-HTTP-Method-Override: DELETE", b"Content-Length: 2"]
    sent = post(server, head, b"{}").replace(PATH, PATH + b"/none", 1) + LAST
    assert statuses(exchange(server, sent)) == [400, 404]
    for method in (b"TRACE", b"PUT", b"CONNECT"):
        lines = [method + b" /healthz HTTP/1.1", HOST, b"X-Secret: 1", b"Connection: close"]
        reply = exchange(server, b"\r\n".join([*lines, b"", b""]))
        assert statuses(reply)[0] in (400, 405)
        assert b"X-Secret" not in reply
