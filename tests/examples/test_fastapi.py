"""The FastAPI example, served by Uvicorn."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

import syncline
from support.examples import EXAMPLES, Program
from support.listening import record_events
from support.server import RunningServer
from syncline import Service


async def test_the_lobby_has_four_places_and_follows_other_writers(
    server: RunningServer, service: Service, environ: dict[str, str], tmp_path: Path
) -> None:
    command = "-m", "uvicorn", "--app-dir", EXAMPLES / "fastapi", "app:app", "--port", "0"
    with (
        Program(sys.executable, *command, environ=environ, log=tmp_path / "log") as program,
        httpx2.Client(base_url=program.url) as http,
    ):
        assert http.get("/lobby").json() == {"players": []}
        token = http.get("/token", params={"identity": "ada"}).text
        async with syncline.connect(server.url, token=token) as client:
            lobby = await client.document("lobby", mode="open_existing")
            changes = record_events(lobby)
            players = ["ada", "bob", "cy", "dee", "eve", "fay"]
            with ThreadPoolExecutor(len(players)) as pool:
                statuses = list(
                    pool.map(lambda each: http.post(f"/lobby/{each}").status_code, players)
                )
            assert sorted(statuses) == [204] * 4 + [409] * 2
            await changes.until(lambda event: len(event.data["players"]) == 4)
        service.documents.at("lobby").set({"players": ["only"]})
        while (found := http.get("/lobby").json())["players"] != ["only"]:
            assert len(found["players"]) == 4
        assert http.post("/lobby/ada").status_code == 204
    assert "Traceback" not in program.output
