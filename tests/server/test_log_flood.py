"""What strangers can cause in the log: a bounded number of lines a second, each with the peer."""

from __future__ import annotations

import re
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest

from support.certificates import CertificateAuthority
from support.limits import WAIT_LIMIT
from support.server import RunningServer, StartServer

RATE = 5
"""Audit lines a second."""

TIMES = 150

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n\r\n"
)

GOOD_KEY = "dGhlIHNhbXBsZSBub25jZQ=="

FLOODS = {
    "no HTTP": "nonsense\r\n\r\n",
    "bytes of TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an upgrade to something else": (
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"
    ),
    "another coding": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a head that is too large": f"GET / HTTP/1.1\r\nA: {'x' * 40_000}\r\n\r\n",
    "a URL that is too long": f"GET /{'x' * 10_000} HTTP/1.1\r\n\r\n",
    "a forged Host": (
        "GET /v1/Services/default HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n"
    ),
    "a refused token": (
        "GET /v1/Services/default/Documents HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        "Authorization: Bearer x.y.z\r\n\r\n"
    ),
    "a handshake without a key": HANDSHAKE.format(
        path="/v1/syncline", host="a", version=13, key="x"
    ),
    "a handshake of another version": HANDSHAKE.format(
        path="/v1/syncline", host="a", version=8, key=GOOD_KEY
    ),
    "a handshake with odd bytes": HANDSHAKE.format(
        path="/v1/\xff", host="\xe9", version="13\xff", key="\xff"
    ),
}


@pytest.fixture
def bounded(fresh_server: StartServer) -> RunningServer:
    return fresh_server(f"--audit-rate={RATE}")


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_leaves_a_bounded_number_of_lines(bounded: RunningServer, flood: str) -> None:
    before, began = lines(bounded), time.monotonic()
    for _ in range(TIMES):
        send(bounded.port, flood.encode("latin-1"))
    bounded.stop()
    seconds = time.monotonic() - began
    found = lines(bounded)[len(before) :]
    # Each second has its own allowance, and a line about what was omitted.
    assert len(found) <= (RATE + 1) * (seconds + 2)
    assert "Traceback" not in "".join(found)
    for line in found:
        assert "peer=127.0.0.1:" in line or "more refusals" in line or "shutting down" in line


def test_what_is_no_http_is_reported_with_its_peer(bounded: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", bounded.port), timeout=WAIT_LIMIT) as connection:
        peer = "{}:{}".format(*connection.getsockname())
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    bounded.stop()
    [line] = [line for line in lines(bounded) if "syncline.audit" in line]
    assert f"peer={peer}" in line and "code=20400" in line and "Invalid HTTP request" in line


def test_a_flood_of_failed_handshakes_of_tls(
    fresh_server: StartServer, authority: CertificateAuthority, tmp_path: Path
) -> None:
    server = fresh_server(*authority.issue(tmp_path).options)
    for _ in range(TIMES):
        send(server.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    # A client that knows no authority breaks off in the middle.
    for _ in range(20):
        with (
            suppress(ssl.SSLError),
            socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_LIMIT) as connection,
        ):
            ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
    server.stop()
    assert len(lines(server)) < 10
    assert "Traceback" not in server.log.read_text()


def send(port: int, data: bytes) -> None:
    """As a stranger does who waits for the answer, if there is one."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_LIMIT) as connection:
        with suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass


def lines(server: RunningServer) -> list[str]:
    return [line for line in server.log.read_text().splitlines() if re.match(r"\d{4}-", line)]
