"""Upgrades: data of an earlier version, and servers that are replaced one after the other.

`support/data_directory` is the data directory that an earlier build left: a document, a map, a list
and a stream, and an API key.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import support
import syncline
from support.server import RunningServer

EARLIER = Path(support.__file__).with_name("data_directory")


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of this version on a copy of that directory."""
    data = tmp_path / "data"
    (data / "redis").mkdir(mode=0o700, parents=True)
    shutil.copytree(EARLIER / "appendonlydir", data / "redis" / "appendonlydir")
    for name in ("credentials.json", "master.key"):
        shutil.copy(EARLIER / name, data)
        (data / name).chmod(0o600)
    with RunningServer(data) as server:
        yield server


def test_a_data_directory_of_an_earlier_version_is_served(upgraded: RunningServer) -> None:
    base = f"{upgraded.url}/v1/"
    with httpx2.Client(base_url=base, auth=upgraded.basic) as http:

        def call(method: str, path: str, **data: str) -> Any:
            reply = http.request(method, f"Services/default/{path}", data=data or None)
            assert reply.is_success, reply.text
            return reply.json()

        document = call("GET", "Documents/a")
        assert document["data"] == {"n": 1}
        assert call("GET", "Maps/m/Items/k")["data"] == {"v": 2}
        assert call("GET", "Lists/l/Items/0")["data"] == {"v": 3}
        assert call("GET", "Streams/s")["unique_name"] == "s"

        # Revisions and indexes go on where they were.
        changed = call("POST", "Documents/a", Data='{"n": 2}')
        assert int(changed["revision"]) > int(document["revision"])
        assert call("POST", "Maps/m/Items/k", Data='{"v": 4}')["data"] == {"v": 4}
        assert call("POST", "Lists/l/Items", Data='{"v": 5}')["index"] == 1

        # The master key reads the secrets of API keys.
        keys = http.get("Keys").json()["keys"]
        assert "x" in {key["friendly_name"] for key in keys}
        assert http.get(f"{upgraded.url}/readyz").status_code == 200


async def test_servers_are_replaced_one_after_the_other(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "redis") as owner:
        url = f"unix://{owner.data_dir / 'redis' / 'redis.sock'}"
        environ = owner.account_environ | {
            "SYNCLINE_MASTER_KEY": (owner.data_dir / "master.key").read_text().strip(),
            "SYNCLINE_REDIS_URL": url,
        }
        with (
            RunningServer(tmp_path / "first", environ=environ) as first,
            RunningServer(tmp_path / "second", environ=environ) as second,
        ):
            async with (
                syncline.connect(first.url, token=first.token("alice")) as alice,
                syncline.connect(second.url, token=second.token("bob")) as bob,
            ):
                seen = await alice.document("replaced", data={"n": 0})
                written = await bob.document("replaced")
                for n, server in enumerate((first, second), 1):
                    await asyncio.to_thread(server.stop)
                    # A client of the server that is away waits; the other's writes are accepted.
                    writer, reader = (written, seen) if server is first else (seen, written)
                    await writer.update({"n": n})
                    await asyncio.to_thread(server.restart)
                    await reader.wait_for({"n": n}.__eq__)
