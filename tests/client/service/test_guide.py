"""The examples of the guide for back ends run as they are written."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from support.server import RunningServer, StartSharedServer
from syncline import connect

GUIDE = (Path(__file__).parents[3] / "docs/guide.md").read_text()
EXAMPLES = re.findall(r'name="back-ends".*?```python\n(.*?)```', GUIDE, re.DOTALL)


def names(server: RunningServer) -> dict[str, Any]:
    known = server.credentials
    key_sid, key_secret = next(iter(known.api_keys.items()))
    return {
        "account_sid": known.account_sid,
        "auth_token": known.auth_token,
        "api_key_sid": key_sid,
        "api_key_secret": key_secret,
    }


@pytest.mark.parametrize("number", [0, 1])
async def test_an_example_runs(number: int, shared_server: StartSharedServer) -> None:
    server = shared_server("--max-pages=7")  # of its own: the examples choose the names
    blocking, asynchronous = (
        each.replace("http://127.0.0.1:8040", server.url) for each in EXAMPLES
    )
    found = names(server)
    if number == 0:
        exec(blocking, found)
        found["service"].close()
    else:
        text = f"async def run():\n{textwrap.indent(asynchronous, '    ')}\n    return token\n"
        exec(text, found)
        found["token"] = await found["run"]()
    async with connect(server.url, token=found["token"]) as client:
        lobby = await client.document("lobby", mode="open_existing")
        assert lobby.data == {"players": number + 1, "full": False}
        players = await client.map("players", mode="open_existing")
        assert await players.get("alice") is None
