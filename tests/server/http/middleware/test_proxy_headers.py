"""A server behind proxies: what it believes of a request, and what it never does."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from support.api import DocumentsApi
from support.server import RunningServer, StartServer
from support.socket import native_socket
from support.store import eventually
from syncline_server.config.networks import Proxies
from syncline_server.http.middleware.proxy_headers import Forwarding
from syncline_server.observability.forwarding_notice import PEERS, ForwardingNotice

PROXY, CLIENT = "10.0.0.1", "203.0.113.9"

FORWARDED = {
    "X-Forwarded-For": f"127.0.0.1, {CLIENT}",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "sync.example.com:8443",
}


async def describe(request: Request) -> JSONResponse:
    return JSONResponse(
        {
            "client": request.client and request.client.host,
            "url": str(request.url),
            "hosts": request.headers.getlist("host"),
        }
    )


def seen(peer: str, headers: dict[str, str]) -> Any:
    app = Starlette(
        routes=[Route("/", describe)],
        middleware=[
            Middleware(Forwarding, proxies=Proxies([ip_network(PROXY)]), notice=ForwardingNotice())
        ],
    )
    return TestClient(app, client=(peer, 50_000)).get("/", headers=headers).json()


def test_what_a_trusted_proxy_says_takes_the_place_of_the_connection() -> None:
    assert seen(PROXY, FORWARDED) == {
        "client": CLIENT,
        "url": "https://sync.example.com:8443/",
        "hosts": ["sync.example.com:8443"],
    }


def test_what_it_does_not_say_stays_but_the_client() -> None:
    expected = {"client": None, "url": "http://testserver/", "hosts": ["testserver"]}
    assert seen(PROXY, {}) == expected


def test_what_anybody_else_says_changes_nothing() -> None:
    expected = {"client": CLIENT, "url": "http://testserver/", "hosts": ["testserver"]}
    assert seen(CLIENT, FORWARDED) == expected


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for which every caller on this machine is a proxy."""
    directory = tmp_path_factory.mktemp("proxied") / "data"
    with RunningServer(directory, "--demo", "--trusted-proxies=127.0.0.1") as running:
        yield running


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        (FORWARDED, "https://sync.example.com:8443"),
        ({"X-Forwarded-Proto": "https", "Host": "a.example"}, "https://a.example"),
        ({"X-Forwarded-Host": "[2001:db8::1]:8443"}, "http://[2001:db8::1]:8443"),
    ],
)
def test_urls_in_replies_are_those_that_clients_use(
    proxied: RunningServer, headers: dict[str, str], base: str
) -> None:
    with DocumentsApi(proxied) as api:
        page = api.call("GET", headers=headers).json()
    assert page["meta"]["url"].startswith(f"{base}/v1/Services/IS")


@pytest.mark.parametrize("host", ['h"><script>', "user@h", "h/path", "h:99999", "é", "h h"])
def test_a_host_that_is_none_is_refused(proxied: RunningServer, host: str) -> None:
    with DocumentsApi(proxied) as api:
        reply = api.call("GET", headers={b"X-Forwarded-Host": host.encode()})
    assert (reply.status_code, reply.json()["code"]) == (400, 20400)


@pytest.mark.parametrize(
    "headers", [{}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-Host": "localhost"}, FORWARDED]
)
@pytest.mark.parametrize(("path", "status"), [("/demo/token?identity=a", 403), ("/metrics", 401)])
def test_nobody_behind_a_proxy_is_on_this_machine(
    proxied: RunningServer, headers: dict[str, str], path: str, status: int
) -> None:
    assert httpx2.get(f"{proxied.url}{path}", headers=headers).status_code == status


async def test_logs_name_the_client(proxied: RunningServer) -> None:
    given = {"X-Forwarded-For": "127.0.0.1, 203.0.113.77"}

    def is_logged() -> bool:
        """Only so many refusals in a second are."""
        assert httpx2.get(f"{proxied.url}/metrics", headers=given).status_code == 401
        return " peer=203.0.113.77 " in proxied.log.read_text()

    await eventually(is_logged)


def test_urls_do_not_follow_what_anybody_says(server: RunningServer) -> None:
    with DocumentsApi(server) as api:
        page = api.call("GET", headers=FORWARDED).json()
    assert page["meta"]["url"].startswith(f"{server.url}/v1/Services/IS")


async def test_headers_of_a_proxy_that_is_not_trusted_are_reported_once(
    fresh_server: StartServer,
) -> None:
    server = fresh_server()
    async with httpx2.AsyncClient(headers=FORWARDED) as http:
        for _ in range(5):
            await http.get(f"{server.url}/healthz")
    async with native_socket(server, additional_headers=FORWARDED):
        pass
    server.stop()
    [line] = [line for line in server.log.read_text().splitlines() if "syncline.proxies" in line]
    assert "127.0.0.1 sends x-forwarded-" in line and "--trusted-proxies 127.0.0.1" in line


async def test_a_socket_behind_one_is_reported_too(fresh_server: StartServer) -> None:
    server = fresh_server()
    async with native_socket(server, additional_headers=FORWARDED):
        pass
    server.stop()
    assert server.log.read_text().count("--trusted-proxies 127.0.0.1") == 1


async def test_of_one_that_is_trusted_nothing_is_reported(fresh_server: StartServer) -> None:
    server = fresh_server("--trusted-proxies=127.0.0.1")
    httpx2.get(f"{server.url}/healthz", headers=FORWARDED)
    async with native_socket(server, additional_headers=FORWARDED):
        pass
    server.stop()
    assert "syncline.proxies" not in server.log.read_text()


def test_whoever_sends_them_the_log_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    notice = ForwardingNotice()
    for number in range(1000):
        notice.log_once(f"203.0.113.{number}", "x-forwarded-for")
    assert len(caplog.messages) == PEERS
