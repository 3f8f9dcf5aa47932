"""Who asks, and from which page."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from support.api import unique
from support.keys import KeysApi
from support.server import RunningServer

APP, OTHER = "https://app.example.com", "https://evil.example"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that knows one application's pages."""
    options = f"--cors-origins={APP}", "--public-url=https://sync.example.com"
    with RunningServer(tmp_path_factory.mktemp("narrow") / "data", *options) as running:
        yield running


def ask(
    server: RunningServer, method: str, path: str, *origins: str, token: str | None = None
) -> tuple[int, int | None]:
    """Status and code of the reply; with the account's login, or with a token."""
    parameters = {"Data": "{}"} if "/Documents" in path else {"FriendlyName": "x"}
    headers = [("Origin", origin) for origin in origins]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token}"))
    reply = httpx2.request(
        method,
        server.url + path,
        headers=headers,
        auth=server.basic if token is None else None,
        data=parameters if method == "POST" else None,
    )
    return reply.status_code, reply.json().get("code") if reply.content else None


PATHS = ["/v1/Services/default", "/v1/Services/default/Documents", "/v3/Documents", "/v1/Keys"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [OTHER, "null", "", "http://127.0.0.1", f"{APP}.evil.example"])
def test_a_page_of_elsewhere_changes_nothing_with_a_login(
    server: RunningServer, narrow: RunningServer, path: str, origin: str
) -> None:
    for each in (server, narrow):
        assert ask(each, "POST", path, origin) == (403, 20403)
        if path == "/v1/Services/default":
            assert ask(each, "DELETE", f"{path}/Documents/none", origin) == (403, 20403)
            assert ask(each, "GET", path, origin)[0] == 200, "which the page cannot read"
            assert ask(each, "DELETE", f"{path}/Documents/none", origin, origin) == (403, 20403)


@pytest.mark.parametrize("path", PATHS)
def test_pages_of_the_server_and_programs_may_change_all(
    server: RunningServer, narrow: RunningServer, path: str
) -> None:
    for each, origins in [
        (server, ()),
        (server, (server.url,)),
        (narrow, (APP,)),
        (narrow, ("https://sync.example.com",)),
    ]:
        assert ask(each, "POST", path, *origins)[0] in (200, 201)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_elsewhere_without_an_origin_changes_nothing(
    server: RunningServer, site: str
) -> None:
    def status(value: str) -> int:
        reply = httpx2.post(
            f"{server.url}/v1/Services/default",
            auth=server.basic,
            headers={"Sec-Fetch-Site": value},
            data={"FriendlyName": "x"},
        )
        return reply.status_code

    assert status(site) == 403
    assert status("same-origin") == status("none") == 200


def test_a_key_is_a_login_too(server: RunningServer) -> None:
    with KeysApi(server) as keys:
        key = keys.add()
        url = f"{server.url}/v1/Services/default/Documents"
        reply = httpx2.post(url, auth=key.login, headers={"Origin": OTHER})
        keys.revoke(key.sid)
    assert (reply.status_code, reply.json()["code"]) == (403, 20403)


def test_a_token_is_nothing_that_browsers_add(server: RunningServer) -> None:
    path = f"/v1/Services/default/Documents/{unique()}"
    assert ask(server, "POST", path, OTHER, token=server.token()) == (404, 20404)
