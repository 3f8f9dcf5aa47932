"""Headers that keep browsers from what nobody wants of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx2
import pytest

from support.api import DocumentsApi
from support.server import RunningServer
from support.socket import WAIT

YEAR = 31_536_000


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server behind a proxy that speaks TLS, and that makes browsers do so too."""
    directory = tmp_path_factory.mktemp("strict") / "data"
    options = f"--hsts={YEAR}", "--trusted-proxies=127.0.0.1"
    with RunningServer(directory, *options) as running:
        yield running


DATA = ("/v1/Services", "/v1/Services/default/Documents", "/openapi.json", "/healthz", "/readyz")
ERRORS = ("/none", "/v1/Services/default/Documents/none", "/v1/Services/none")
PAGES = ("/demo", "/demo/demo.js", "/demo/demo.css", "/pages/icon.svg")
SCRIPTS = ("/syncline.js", "/syncline/client.js")


@pytest.mark.parametrize("path", [*DATA, *ERRORS, *PAGES, *SCRIPTS, "/demo/token?identity=a"])
def test_every_reply_is_protected(api: DocumentsApi, server: RunningServer, path: str) -> None:
    reply = api.http.get(f"{server.url}{path}")
    # One of each: two would be no value at all.
    assert reply.headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert reply.headers.get_list("Referrer-Policy") == ["no-referrer"]
    [policy] = reply.headers.get_list("Content-Security-Policy")
    assert "frame-ancestors 'none'" in policy
    [resource_policy] = reply.headers.get_list("Cross-Origin-Resource-Policy")
    assert resource_policy == ("cross-origin" if path in SCRIPTS else "same-origin")
    assert "Strict-Transport-Security" not in reply.headers


@pytest.mark.parametrize("path", [*DATA, *ERRORS, "/demo/token?identity=a"])
def test_what_holds_data_is_not_kept(api: DocumentsApi, server: RunningServer, path: str) -> None:
    reply = api.http.get(f"{server.url}{path}")
    assert reply.headers.get_list("Cache-Control") == ["no-store"]


def test_a_page_asks_for_no_device_and_shares_its_window_with_nobody(server: RunningServer) -> None:
    reply = httpx2.get(f"{server.url}/demo")
    assert reply.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in reply.headers["Permissions-Policy"]
    policy = dict(
        part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; ")
    )
    assert policy.pop("base-uri") == policy.pop("form-action") == "'none'"
    assert policy.pop("frame-ancestors") == policy.pop("default-src") == "'none'"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert policy.pop("trusted-types") == "'none'"
    assert set(policy.values()) == {"'self'"}


@pytest.mark.parametrize("path", ["/", "/docs", "/demo", "/console", "/none"])
def test_no_page_is_framed(server: RunningServer, path: str) -> None:
    reply = httpx2.get(f"{server.url}{path}", headers={"Accept": "text/html"})
    assert reply.headers.get_list("X-Frame-Options") == ["DENY"]
    assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]


def test_what_the_parser_refuses_is_protected_too(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), WAIT) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        reply = raw.makefile("rb").read().lower()
    assert reply.startswith(b"http/1.1 400 ")
    assert b"\r\nx-content-type-options: nosniff\r\n" in reply
    assert b"\r\ncache-control: no-store\r\n" in reply


@pytest.mark.parametrize("path", ["/healthz", "/none", "/syncline.js"])
def test_browsers_must_use_https_where_they_do(strict: RunningServer, path: str) -> None:
    url = f"{strict.url}{path}"
    reply = httpx2.get(url, headers={"X-Forwarded-Proto": "https"})
    assert reply.headers.get_list("Strict-Transport-Security") == [f"max-age={YEAR}"]
    assert "Strict-Transport-Security" not in httpx2.get(url).headers
