"""What browsers load: the client, the demo, and tokens for it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest

from support.addresses import own_address
from support.server import RunningServer, StartServer
from syncline_protocol.identities import IDENTITY_LENGTH
from syncline_server.auth.authenticator import Authenticator


def get(server: RunningServer, path: str, **options: Any) -> httpx2.Response:
    return httpx2.get(f"{server.url}{path}", **options)


def get_token(server: RunningServer, identity: str = "ada", **headers: str) -> httpx2.Response:
    return get(server, "/demo/token", params={"identity": identity}, headers=headers)


def test_client_is_served_whole_without_the_demo_too(fresh_server: StartServer) -> None:
    server = fresh_server()
    waiting, seen = ["/syncline.js"], set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        response = get(server, path)
        assert response.status_code == 200, path
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"
        imports = {urljoin(path, part) for part in re.findall(r'from "(\./.+?)"', response.text)}
        waiting.extend(imports - seen)
    assert {"/syncline/client.js", "/syncline/protocol.js"} < seen


def test_client_that_a_browser_holds_is_not_sent_again(server: RunningServer) -> None:
    for path in ("/syncline.js", "/syncline/client.js"):
        tag = get(server, path).headers["etag"]
        assert get(server, path, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/syncline/",
        "/syncline/none.js",
        "/syncline/%2e%2e/syncline.js",
        "/syncline/..%2fsyncline.js",
        "/syncline/%2e%2e/%2e%2e/package.json",
        "/syncline/%2fetc/hostname",
        "/syncline/..%5csyncline.js",
        "/syncline/client.js%00",
    ],
)
def test_client_serves_nothing_outside_its_directory(server: RunningServer, path: str) -> None:
    assert get(server, path).status_code == 404


@pytest.mark.parametrize("path", ["/pages", "/swagger-ui", "/syncline", "/docs/", "//docs"])
def test_nothing_redirects_to_where_the_request_says(server: RunningServer, path: str) -> None:
    reply = get(server, path, headers={"Host": "evil.example"})
    assert (reply.status_code, "location" in reply.headers) == (404, False)


def test_demo_is_absent_unless_asked_for(fresh_server: StartServer) -> None:
    server = fresh_server()
    paths = ["/demo", "/demo/", "/demo/demo.js", "/demo/token?identity=ada"]
    assert [get(server, path).status_code for path in paths] == [404] * len(paths)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/demo", "text/html"),
        ("/demo/", "text/html"),
        ("/demo/demo.js", "text/javascript"),
        ("/demo/base.css", "text/css"),
        ("/demo/board.css", "text/css"),
        ("/pages/icon.svg", "image/svg+xml"),
    ],
)
def test_demo_runs_nothing_but_its_own_scripts(server: RunningServer, path: str, kind: str) -> None:
    response = get(server, path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    policy = response.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy)
    assert response.headers["x-content-type-options"] == "nosniff"


def test_demo_serves_nothing_outside_its_directory(server: RunningServer) -> None:
    assert get(server, "/demo/%2e%2e/__init__.py").status_code == 404
    assert get(server, "/demo/none.js").status_code == 404


def test_token_is_for_the_identity_that_is_asked_for(server: RunningServer) -> None:
    response = get_token(server, "Zoë & Co")
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["identity"] == "Zoë & Co"
    principal = Authenticator(server.credentials, leeway=0).verify_token(response.json()["token"])
    assert principal.identity == "Zoë & Co"


@pytest.mark.parametrize("host", ["example.com", "192.0.2.7:8040", "127.0.0.1.example.com"])
def test_token_is_refused_under_another_host_name(server: RunningServer, host: str) -> None:
    response = get_token(server, Host=host)
    assert response.status_code == 403
    assert "token" not in response.json()


def test_token_is_refused_to_pages_of_elsewhere(server: RunningServer) -> None:
    assert get_token(server, Origin="https://evil.example").status_code == 403
    assert get_token(server, Origin=server.url).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_token_is_refused_through_a_proxy(server: RunningServer, header: str) -> None:
    assert get_token(server, **{header: "for=127.0.0.1"}).status_code == 403


@pytest.mark.parametrize("identity", ["", "a" * (IDENTITY_LENGTH + 1)])
def test_token_needs_an_identity(server: RunningServer, identity: str) -> None:
    response = get_token(server, identity)
    assert response.status_code == 400
    assert response.json()["message"].startswith("identity must have 1 to ")


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8040"])
def test_token_is_given_under_the_names_of_this_machine(server: RunningServer, host: str) -> None:
    assert get_token(server, Host=host).status_code == 200


@pytest.mark.skipif(own_address() is None, reason="this machine has loopback alone")
@pytest.mark.parametrize("allowed", [True, False])
def test_tokens_are_given_to_networks_that_are_named(
    fresh_server: StartServer, allowed: bool
) -> None:
    named = (f"--demo-networks=192.0.2.0/24,{own_address()}",) if allowed else ()
    server = fresh_server("--demo", "--host=0.0.0.0", *named)
    url = f"http://{own_address()}:{server.port}/demo/token?identity=ada"
    here = f"localhost:{server.port}"
    status = 200 if allowed else 403
    assert httpx2.get(url, headers={"Host": here}).status_code == status
    # By the address, as from another machine: no DNS name of a foreign page stands behind it.
    assert httpx2.get(url).status_code == status
    # A page elsewhere, a name, or a proxy, is kept out as it is on loopback.
    for headers in (
        {"Host": here, "X-Forwarded-For": "127.0.0.1"},
        {"Host": "demo.example.com"},
        {"Origin": "https://evil.example"},
    ):
        assert httpx2.get(url, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"X-Forwarded-For": "127.0.0.1"}, "came through a proxy"),
        ({"Host": "demo.example.com"}, "opened by the name 'demo.example.com'"),
        ({"Origin": "https://evil.example"}, "from a page of another origin"),
    ],
)
def test_refused_token_says_why_and_what_to_set(
    server: RunningServer, header: dict[str, str], reason: str
) -> None:
    message = get_token(server, **header).json()["message"]
    assert reason in message
    assert "--demo-networks (SYNCLINE_DEMO_NETWORKS), for example 127.0.0.1" in message
