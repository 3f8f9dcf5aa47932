from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT
from syncline_server.http import urls

HOST_LIKE = re.compile(r"[\[a-z0-9._:@/%-]{0,12}(:[0-9]{0,6})?")


def request(*hosts: bytes, scheme: str = "http") -> Request:
    headers = [(b"host", host) for host in hosts]
    return Request({"type": "http", "scheme": scheme, "path": "/", "headers": headers})


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8040",
        "sync.example.com",
        "sync.example.com.",
        "localhost",
        "[::1]:8040",
        "my_host:1",
    ],
)
def test_without_a_setting_the_base_is_what_was_addressed(host: str) -> None:
    assert urls.base_url(request(host.encode()), None) == f"http://{host}"


def test_the_scheme_is_that_of_the_request() -> None:
    assert urls.base_url(request(b"sync.test", scheme="https"), None) == "https://sync.test"


def test_the_setting_comes_first_and_needs_no_host() -> None:
    assert urls.base_url(request(b"<>"), "https://sync.test/base/") == "https://sync.test/base"


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"a", b"a"],
        [b"a b"],
        [b"user@host"],
        [b"host/path"],
        [b'"><script>'],
        [b"host:port"],
        [b"host:123456"],
        [b"host:65536"],
        [b"host:"],
        [b"-host"],
        [b"host-"],
        [b"a..b"],
        [b"."],
        [b".a"],
        [b"a" * 64],
        [b"[::1]x"],
        [b"[1:2]"],
        [b"[fe80::1%eth0]"],
        [b"::1"],
        [b"1.2.3.4.5"],
        [b"127.0.0.256"],
        [b"2130706433"],
        [b"a.0x7f"],
        [b"host\n"],
        [b"host?x"],
        [b"host#x"],
        [b"host\\x"],
        [b"ho%73t"],
        [b"[::1"],
        [b"h\xc3\xb6st"],
        [b"x" * 256],
    ],
)
def test_a_host_that_is_none_is_refused(hosts: list[bytes]) -> None:
    with pytest.raises(Refusal, match="Host must be one host name") as caught:
        urls.base_url(request(*hosts), None)
    assert caught.value.code is Code.BAD_REQUEST


@given(st.text(st.characters(max_codepoint=0xFF), max_size=300) | st.from_regex(HOST_LIKE))
def test_what_is_accepted_is_a_url_of_that_host_and_nothing_else(host: str) -> None:
    try:
        base = urls.host_url("https", host)
    except Refusal:
        return
    parts = urlsplit(base)
    assert (parts.scheme, parts.netloc, parts.path, parts.query, parts.fragment) == (
        "https",
        host,
        "",
        "",
        "",
    )
    assert parts.username is None and parts.hostname
    assert parts.port is None or 0 <= parts.port <= 65_535
    assert str(httpx2.URL(base).host).rstrip(".") == parts.hostname.rstrip(".")


def test_the_urls_of_documents() -> None:
    assert urls.objects_url("http://h", "IS1", DOCUMENT) == "http://h/v1/Services/IS1/Documents"
    assert (
        urls.object_url("http://h", "IS1", DOCUMENT, "ET1")
        == "http://h/v1/Services/IS1/Documents/ET1"
    )


def test_the_urls_of_permissions() -> None:
    assert urls.permissions_url("http://h/x") == "http://h/x/Permissions"
    assert urls.permission_url("http://h/x", "alice@example.com").endswith("/alice@example.com")
    assert urls.permission_url("http://h/x", "a/b ü").endswith("/Permissions/a%2Fb%20%C3%BC")
