"""The Express example: tokens, and signed webhooks."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

import syncline
from support.examples import EXAMPLES, NODE_MODULES, Program
from support.limits import WAIT_LIMIT
from support.server import RunningServer, StartSharedServer
from syncline import Service


@pytest.fixture(scope="module")
def server(shared_server: StartSharedServer) -> RunningServer:
    """A server that may send webhooks to this machine."""
    return shared_server("--webhook-networks=127.0.0.0/8")


@pytest.fixture
def program(environ: dict[str, str], tmp_path: Path) -> Iterator[Program]:
    """The example, with the packages that it names."""
    copy = tmp_path / "express"
    shutil.copytree(EXAMPLES / "express", copy, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "node_modules").symlink_to(NODE_MODULES)
    given = environ | {"PORT": "0"}
    with Program("node", copy / "server.js", environ=given, log=tmp_path / "log") as program:
        yield program


async def test_it_receives_signed_changes_alone(
    server: RunningServer, service: Service, program: Program
) -> None:
    with httpx2.Client(base_url=program.url) as http:
        forged = {"EventType": "document_created", "DocumentUniqueName": "forged"}
        assert http.post("/webhook", data=forged).status_code == 403
        signed = {"X-Twilio-Signature": "bm90IGl0"}
        assert http.post("/webhook", data=forged, headers=signed).status_code == 403

        token = http.get("/token", params={"identity": "ada"}).text
        async with syncline.connect(server.url, token=token) as client:
            lobby = await client.document("lobby")
            await lobby.set({"players": 1, "name": "Zoë & Co"})
        service.documents.remove("lobby")

        changes: list[dict[str, object]] = []
        async with asyncio.timeout(WAIT_LIMIT):
            while len(changes) < 3:
                await asyncio.sleep(0.02)
                changes = http.get("/changes").json()
    assert [(each["type"], each["name"]) for each in changes] == [
        ("document_created", "lobby"),
        ("document_updated", "lobby"),
        ("document_removed", "lobby"),
    ]
    assert changes[1]["data"] == {"players": 1, "name": "Zoë & Co"}
