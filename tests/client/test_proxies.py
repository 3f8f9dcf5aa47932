"""Proxies between client and server: named by the application, or by the environment."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from support.listening import record_events
from support.proxy import Proxy, SocksProxy, page
from support.server import RunningServer
from syncline import ConnectionLost, UsageError, connect, proxies
from syncline.proxies import check_proxy, find_proxy

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SOCKS_PROXY", "WS_PROXY", "NO_PROXY")

SOON: dict[str, Any] = {"open_timeout": 0.3, "backoff_initial": 0.01}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(params=["websocket", "rest"])
def transport(request: pytest.FixtureRequest) -> Any:
    return request.param


class TestUse:
    @pytest.mark.parametrize("named", ["by the application", "HTTP_PROXY", "all_proxy"])
    async def test_everything_goes_through_it(
        self, server: RunningServer, transport: Any, named: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with Proxy(server, keeps_alive=False) as proxy:
            address = proxy.url.replace("//", "//user:secret@")
            options: dict[str, Any] = {"proxy": address}
            if named != "by the application":
                monkeypatch.setenv(named, address)
                options = {}
            url = "http://no.such.host.invalid:8040"
            async with connect(url, token=server.token(), transport=transport, **options) as client:
                document = await client.document()
                recorder = record_events(document)
                await document.set({"n": 1})
                assert (await recorder.next()).data == {"n": 1}
        credentials = base64.b64encode(b"user:secret").decode()
        assert proxy.heads
        assert all(f"Proxy-Authorization: Basic {credentials}" in head for head in proxy.heads)
        assert all("no.such.host.invalid:8040" in head.split("\r\n")[0] for head in proxy.heads)

    async def test_by_socks_too_which_resolves_names(
        self, server: RunningServer, transport: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with SocksProxy(server) as proxy:
            monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{proxy.port}")
            async with connect(
                "http://no.such.host.invalid", token=server.token(), transport=transport
            ) as client:
                document = await client.document()
                recorder = record_events(document)
                await document.set({"n": 1})
                assert (await recorder.next()).data == {"n": 1}
        assert set(proxy.hosts) == {"no.such.host.invalid"}

    @pytest.mark.parametrize("no_proxy", ["127.0.0.1", "localhost,127.0.0.1:{port}", "*"])
    async def test_not_where_the_environment_excludes_the_server(
        self, server: RunningServer, transport: Any, no_proxy: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", no_proxy.format(port=server.port))
        async with connect(server.url, token=server.token(), transport=transport) as client:
            await client.document()

    async def test_not_where_the_application_wants_none(
        self, server: RunningServer, transport: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
        async with connect(
            server.url, token=server.token(), transport=transport, proxy=None
        ) as client:
            await client.document()

    async def test_rest_takes_over_where_it_makes_no_tunnels(self, server: RunningServer) -> None:
        async with Proxy(server, keeps_alive=False) as proxy:
            proxy.reply = lambda head: (
                page("403 Forbidden") if head.startswith("CONNECT ") else None
            )
            async with connect(server.url, token=server.token(), proxy=proxy.url) as client:
                assert client.transport == "rest"
                await client.document()


class TestFailure:
    @pytest.mark.parametrize("choice", ["auto", "websocket", "rest"])
    async def test_the_error_names_one_that_is_away_and_keeps_its_password(
        self, server: RunningServer, choice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:1")
        with pytest.raises(ConnectionLost, match=r"http://127\.0\.0\.1:1 \(HTTP_PROXY") as lost:
            await connect(server.url, token=server.token(), transport=choice, **SOON)
        assert "secret" not in str(lost.value)

    @pytest.mark.parametrize("choice", ["auto", "websocket", "rest"])
    async def test_so_for_socks(self, server: RunningServer, choice: Any) -> None:
        with pytest.raises(ConnectionLost, match=r"socks5://127\.0\.0\.1:1 \(proxy=") as lost:
            await connect(
                server.url,
                token=server.token(),
                transport=choice,
                proxy="socks5://user:secret@127.0.0.1:1",
                **SOON,
            )
        assert "secret" not in str(lost.value)

    @pytest.mark.parametrize("choice", ["websocket", "rest"])
    async def test_and_one_that_refuses(self, server: RunningServer, choice: Any) -> None:
        async with Proxy(server, keeps_alive=False) as proxy:
            proxy.reply = page("407 Proxy Authentication Required")
            with pytest.raises(ConnectionLost, match=f"407.*|.*{proxy.url}"):
                await connect(
                    server.url, token=server.token(), transport=choice, proxy=proxy.url, **SOON
                )

    @pytest.mark.parametrize("choice", ["auto", "websocket", "rest"])
    async def test_what_socks_needs_and_is_not_there_is_named_at_once(
        self, server: RunningServer, choice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(proxies, "SOCKS_PACKAGES", {"no_such_module": "python-socks"})
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
        expected = r"socks5://127.0.0.1:1080 \(ALL_PROXY.*python-socks.*syncline\[socks\]"
        with pytest.raises(UsageError, match=expected):
            await connect(server.url, token=server.token(), transport=choice)

    @pytest.mark.parametrize("url", ["ftp://127.0.0.1:1", "socks9://127.0.0.1:1"])
    async def test_an_unknown_kind_is_named_at_once(
        self, server: RunningServer, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", url)
        with pytest.raises(UsageError, match=f"{url}.*ALL_PROXY.*none of http, https, socks5"):
            await connect(server.url, token=server.token())

    @pytest.mark.parametrize(
        "url",
        [
            "", "127.0.0.1:1", "ftp://h", "http://", "http://h:x", "http://h/path", "http://u@h",
            False, 5,
        ],
    )  # fmt: skip
    def test_the_application_s_own_is_checked_before_anything_is_connected(self, url: Any) -> None:
        with pytest.raises(ValueError, match="proxy must be"):
            connect("http://h", token="t", proxy=url)
        with pytest.raises(ValueError, match="proxy must be"):
            check_proxy(url)


class TestEnvironment:
    @pytest.mark.parametrize(
        ("variables", "url", "found"),
        [
            ({}, "https://h", None),
            ({"HTTPS_PROXY": "http://p:1"}, "https://h", "http://p:1"),
            ({"HTTPS_PROXY": "http://p:1"}, "http://h", None),
            ({"HTTP_PROXY": "p:1"}, "http://h", "http://p:1"),
            ({"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "https://h", "http://q:1"),
            ({"ALL_PROXY": "http://p:1", "NO_PROXY": "h"}, "https://h:8040", None),
            ({"ALL_PROXY": "http://p:1", "NO_PROXY": ".b"}, "https://a.b", None),
            ({"ALL_PROXY": "http://p:1", "NO_PROXY": "::1"}, "http://[::1]:8040", None),
            ({"ALL_PROXY": "http://p:1", "NO_PROXY": "x"}, "https://h", "http://p:1"),
        ],
    )
    def test_one_proxy_serves_both_ways(
        self,
        variables: dict[str, str],
        url: str,
        found: str | None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        proxy = find_proxy(True, url)
        assert (proxy and proxy.url) == found
