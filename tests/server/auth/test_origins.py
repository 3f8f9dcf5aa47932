"""Whose pages may open sockets, on both wires."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from support.metrics import hits
from support.server import RunningServer
from syncline_server.auth.origins import Origins

APP, OTHER = "https://app.example.com", "https://evil.example"


@pytest.mark.parametrize(
    ("allowed", "given", "host", "admitted"),
    [
        (["*"], [OTHER], "h", True),
        (["*"], ["null"], "h", True),
        (["*"], [], "h", True),
        (["*"], [OTHER, OTHER], "h", True),
        ([APP], [], "h", True),
        ([APP], [APP], "h", True),
        ([APP, "capacitor://localhost"], ["capacitor://localhost"], "h", True),
        ([APP], [OTHER], "h", False),
        ([APP], ["null"], "h", False),
        ([APP], [""], "h", False),
        ([APP], ["", ""], "", False),
        ([APP], [""], "", False),
        ([APP], ["https://"], "", False),
        ([APP], [APP, APP], "h", False),
        ([APP], [f"{APP}, {OTHER}"], "h", False),
        ([APP], [f"{APP}.evil.example"], "h", False),
        ([APP], [f"{APP}:8443"], "h", False),
        ([APP], ["http://app.example.com"], "h", False),
        ([], [OTHER], "h", False),
        # A page of this server's own.
        ([APP], ["http://127.0.0.1:8040"], "127.0.0.1:8040", True),
        ([], ["https://sync.example.com"], "Sync.Example.com", True),
        ([], ["http://127.0.0.1:8040"], "127.0.0.1:8041", False),
        ([], ["http://127.0.0.1"], "127.0.0.1:8041", False),
        ([], ["evil://127.0.0.1:8040"], "127.0.0.1:8040", False),
        ([], ["null"], "null", False),
        ([], ["https://public.example"], "inner:8040", True),
    ],
)
def test_who_is_admitted(allowed: list[str], given: list[str], host: str, admitted: bool) -> None:
    assert Origins(allowed, "https://Public.example/base").admit(given, host) is admitted


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for the pages of one application."""
    directory = tmp_path_factory.mktemp("narrow") / "data"
    with RunningServer(directory, f"--cors-origins={APP}") as running:
        yield running


async def status(server: RunningServer, path: str, *headers: tuple[str, str]) -> int:
    """Of a handshake; 101 for one that succeeds."""
    url = f"{server.url.replace('http', 'ws', 1)}{path}"
    try:
        async with connect(url, additional_headers=headers):
            return 101
    except InvalidStatus as error:
        if error.response.status_code == 403:
            assert error.response.body == b"Pages of this origin may open no WebSocket here.\n"
            assert error.response.headers["X-Content-Type-Options"] == "nosniff"
        return error.response.status_code


PATHS = pytest.mark.parametrize("path", ["/v1/ws", "/v3/wsconnect"])


@PATHS
async def test_pages_of_other_origins_are_refused_and_counted(
    narrow: RunningServer, path: str
) -> None:
    before = hits(narrow, "ws_origins")
    for origin in (OTHER, "null", "http://app.example.com", narrow.url.replace("127", "128")):
        assert await status(narrow, path, ("Origin", origin)) == 403
    assert await status(narrow, path, ("Origin", APP), ("Origin", OTHER)) == 403
    assert hits(narrow, "ws_origins") == before + 5


@PATHS
async def test_those_of_the_list_and_of_the_server_and_programs_are_let_in(
    narrow: RunningServer, path: str
) -> None:
    assert await status(narrow, path) == 101
    assert await status(narrow, path, ("Origin", APP)) == 101
    assert await status(narrow, path, ("Origin", narrow.url)) == 101


@PATHS
async def test_by_default_pages_of_every_origin_are_let_in(
    server: RunningServer, path: str
) -> None:
    for origin in (OTHER, "null", APP):
        assert await status(server, path, ("Origin", origin)) == 101


@PATHS
async def test_sockets_may_have_a_list_of_their_own(
    tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    directory = tmp_path_factory.mktemp("own") / "data"
    options = f"--ws-origins={APP}", "--trusted-proxies=127.0.0.1"
    with RunningServer(directory, *options) as own:
        assert await status(own, path, ("Origin", APP)) == 101
        assert await status(own, path, ("Origin", OTHER)) == 403
        # To which host a page belongs, a trusted proxy knows.
        page = ("Origin", "https://sync.example.com")
        assert await status(own, path, page, ("X-Forwarded-For", "203.0.113.77")) == 403
        assert " peer=203.0.113.77 " in own.log.read_text()
        assert await status(own, path, page, ("X-Forwarded-Host", "sync.example.com")) == 101
