"""The way to the server: TLS and proxies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.back_end import begun, now, open_service
from support.certificates import CertificateAuthority
from support.proxy import Proxy
from support.server import RunningServer
from syncline import ConnectionLost, UsageError


async def ask(kind: str, service: Any) -> bool:
    """One request, while the event loop of the test goes on."""
    if kind == "blocking":
        return await asyncio.to_thread(service.documents.has, "none")
    found: bool = await service.documents.has("none")
    return found


async def test_a_certificate_of_a_known_authority_is_accepted(
    kind: str, secure_server: RunningServer, authority: CertificateAuthority
) -> None:
    async with begun(open_service(kind, secure_server, ssl=authority.context)) as service:
        assert not await now(service.documents.has("none"))
    async with begun(open_service(kind, secure_server, retries=0)) as service:
        with pytest.raises(ConnectionLost, match="CERTIFICATE_VERIFY_FAILED"):
            await now(service.documents.has("none"))


async def test_requests_take_the_proxy_that_is_chosen(
    kind: str, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(server) as proxy:
        async with begun(open_service(kind, server, proxy=proxy.url)) as service:
            await ask(kind, service)
        assert len(proxy.heads) == 1
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with begun(open_service(kind, server)) as service:
            await ask(kind, service)
        assert len(proxy.heads) == 2
        async with begun(open_service(kind, server, proxy=None)) as service:
            await ask(kind, service)
        assert len(proxy.heads) == 2
        monkeypatch.setenv("HTTP_PROXY", "gopher://127.0.0.1:1")
        async with begun(open_service(kind, server)) as service:
            with pytest.raises(UsageError, match="scheme"):
                await ask(kind, service)


async def test_a_path_prefix_is_part_of_the_url(kind: str, server: RunningServer) -> None:
    async with Proxy(server, "/sync") as proxy:
        async with begun(open_service(kind, server, proxy.url + "/", proxy=None)) as service:
            assert not await ask(kind, service)
