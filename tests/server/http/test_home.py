"""`/`, `/docs`, and the pages that a browser gets for errors."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import httpx2
import pytest
from starlette.requests import Request

from support.server import RunningServer, StartServer
from syncline_server.http.pages import prefers_page

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def get(server: RunningServer, path: str, accept: str = CHROMIUM) -> httpx2.Response:
    return httpx2.get(f"{server.url}{path}", headers={"Accept": accept})


def test_a_browser_gets_a_page_that_says_what_runs_here(server: RunningServer) -> None:
    page = get(server, "/")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Ready" in page.text
    assert "$" not in page.text
    for link in re.findall(r'href="([^"]+)"', page.text):
        assert get(server, urljoin("/", link), "*/*").status_code == 200, link


def test_a_program_gets_json(server: RunningServer) -> None:
    reply = get(server, "/", "application/json")

    about = reply.json()
    assert (about["name"], about["status"]) == ("syncline", "ready")
    assert reply.headers["vary"] == "Accept"
    for link in about["links"].values():
        assert get(server, link, "*/*").status_code == 200, link


def test_the_demo_is_linked_only_where_it_is_served(fresh_server: StartServer) -> None:
    assert "demo" not in get(fresh_server(), "/", "application/json").json()["links"]
    assert "demo" in get(fresh_server("--demo"), "/", "application/json").json()["links"]


def test_pages_have_no_secret_and_run_no_script_of_others(server: RunningServer) -> None:
    for path in ("/", "/docs", "/nowhere"):
        page = get(server, path)
        assert server.credentials.auth_token not in page.text
        assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert not re.search(r"<script>|<style>| on\w+=| style=|https?://", page.text)


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/console", "/console/", "/demo", "/demo/", "/v1/None", "/a/b%2Fc/"],
)
def test_all_links_stay_under_the_prefix_of_a_proxy(server: RunningServer, path: str) -> None:
    page = get(server, path)
    links = re.findall(r'(?:href|src)="([^"#]+)"', page.text)
    assert len(links) > 2
    for link in links:
        address = urljoin(f"/a/prefix{path}", link)
        assert address.startswith("/a/prefix/")
        assert get(server, address.removeprefix("/a/prefix"), "*/*").status_code == 200, link


def test_a_page_of_a_very_deep_path_stays_small(server: RunningServer) -> None:
    assert len(get(server, "/" * 4000).text) < 6000


def test_a_program_gets_links_with_the_path_of_the_public_url(fresh_server: StartServer) -> None:
    server = fresh_server("--public-url=https://example.com/sync/")
    links = get(server, "/", "application/json").json()["links"]
    assert links["docs"] == "/sync/docs"
    assert links["readiness"] == "/sync/readyz"


@pytest.mark.parametrize("path", ["/nowhere", "/v1/Nothing", "/pages/none.css", "/swagger-ui/../x"])
def test_a_browser_gets_a_page_for_what_does_not_exist(server: RunningServer, path: str) -> None:
    page = get(server, path)

    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert get(server, path, "application/json").json()["code"] == 20404
    assert get(server, path, "*/*").json()["code"] == 20404


def test_a_page_shows_a_hostile_path_as_text(server: RunningServer) -> None:
    page = get(server, "/<script>alert(1)</script>?x=<b>")

    assert page.status_code == 404
    assert "<script>alert" not in page.text


def test_a_write_to_a_missing_path_gets_json_in_a_browser_too(server: RunningServer) -> None:
    reply = httpx2.post(f"{server.url}/nowhere", headers={"Accept": CHROMIUM})

    assert reply.status_code == 404
    assert reply.json()["code"] == 20404


@pytest.mark.parametrize(
    ("accept", "page", "page_by_default"),
    [
        (CHROMIUM, True, True),
        ("*/*", False, True),
        ("application/json", False, False),
        ("application/json, text/html;q=0.9", False, False),
        ("text/html;q=0.5, application/json;q=0.4", True, True),
        ("text/*, application/json;q=0.1", True, True),
        ("text/html;q=0, */*", False, False),
        ("TEXT/HTML", True, True),
        ("text/html;q=high", False, False),
        ("image/png", False, False),
        (",;,", False, False),
    ],
)
def test_accept_decides_what_a_client_gets(accept: str, page: bool, page_by_default: bool) -> None:
    request = Request({"type": "http", "headers": [(b"accept", accept.encode())]})

    assert prefers_page(request) == page
    assert prefers_page(request, by_default=True) == page_by_default
