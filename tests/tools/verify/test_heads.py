from __future__ import annotations

import pytest

from syncline_tools.verify.heads import HEAD_LIMIT, HostRewriter

BODY = b"Data=%7B%7D\r\nHost: in-a-body\r\n\r\n"

REQUESTS = (
    b"POST /a HTTP/1.1\r\nhost: 127.0.0.1:1\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    + BODY
    + b"GET /b HTTP/1.1\r\nAccept: */*\r\nHost:127.0.0.1:1\r\n\r\n"
)

REWRITTEN = REQUESTS.replace(b"host: 127.0.0.1:1", b"host: sync.example.com").replace(
    b"Host:127.0.0.1:1", b"Host: sync.example.com"
)


@pytest.mark.parametrize("size", [1, 2, 7, 40, 1000])
def test_each_request_names_the_server_however_its_bytes_come(size: int) -> None:
    rewriter = HostRewriter("sync.example.com")
    parts = [REQUESTS[start : start + size] for start in range(0, len(REQUESTS), size)]

    assert b"".join(map(rewriter.rewrite, parts)) == REWRITTEN


def test_what_follows_an_upgrade_passes_as_it_is() -> None:
    rewriter = HostRewriter("s")
    rewriter.rewrite(b"GET /v1/ws HTTP/1.1\r\nHost: p\r\nUpgrade: websocket\r\n\r\n")

    assert rewriter.rewrite(b"\r\n\r\nHost: p\r\n\r\n") == b"\r\n\r\nHost: p\r\n\r\n"


def test_a_head_that_is_too_long_to_keep_passes_as_it_is() -> None:
    rewriter = HostRewriter("s")
    head = b"GET / HTTP/1.1\r\nHost: p\r\nX: " + b"x" * HEAD_LIMIT

    assert rewriter.rewrite(head) == head
    assert rewriter.rewrite(b"\r\n\r\n") == b"\r\n\r\n"


def test_a_head_is_kept_until_it_is_whole() -> None:
    assert HostRewriter("s").rewrite(b"GET / HTTP/1.1\r\nHost: p\r\n") == b""
