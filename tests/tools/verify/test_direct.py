from __future__ import annotations

import asyncio

import httpx2
import pytest

from support.api import unique
from support.certificates import CertificateAuthority
from support.server import RunningServer, StartServer
from syncline import Unauthorized
from syncline_tools.verify.direct import Direct


async def test_a_document_is_made_read_and_removed(server: RunningServer) -> None:
    async with Direct(server.url, "default", server.token) as direct:
        created = await direct.create(unique(), {"n": 1}, 60)
        read = await direct.read(created["sid"])
        await direct.remove(created["sid"])

        assert read is not None
        assert (read["data"], read["revision"]) == ({"n": 1}, created["revision"])
        assert await direct.read(created["sid"]) is None
        await direct.remove(created["sid"])


async def test_a_server_that_is_away_is_waited_for(fresh_server: StartServer) -> None:
    server = fresh_server()
    async with Direct(server.url, "default", server.token) as direct:
        created = await direct.create(unique(), {"n": 1}, 60)
        server.kill()

        reading = asyncio.create_task(direct.read(created["sid"]))
        await asyncio.to_thread(server.restart)

        read = await reading
        assert read is not None
        assert read["revision"] == created["revision"]


async def test_a_check_waits_for_nobody(server: RunningServer) -> None:
    async with Direct("http://127.0.0.1:1", "default", server.token) as direct:
        with pytest.raises(httpx2.TransportError):
            await direct.check()
    async with Direct(server.url, "default", lambda: "no") as direct:
        with pytest.raises(Unauthorized):
            await direct.check()


async def test_a_server_is_believed_by_the_authority_that_is_given(
    secure_server: RunningServer, authority: CertificateAuthority
) -> None:
    async with Direct(
        secure_server.url, "default", secure_server.token, authority.context
    ) as direct:
        await direct.check()
    async with Direct(secure_server.url, "default", secure_server.token) as direct:
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            await direct.check()
