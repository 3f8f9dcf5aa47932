"""The Flask example, served by the threads of Gunicorn."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

import syncline
from support.examples import EXAMPLES, Program
from support.server import RunningServer


async def test_votes_of_many_threads_are_all_counted(
    server: RunningServer, environ: dict[str, str], tmp_path: Path
) -> None:
    command = "-m", "gunicorn", "--chdir", EXAMPLES / "flask", "--threads", "8", "app:app"
    bind = "--bind", "127.0.0.1:0"
    with (
        Program(sys.executable, *command, *bind, environ=environ, log=tmp_path / "log") as program,
        httpx2.Client(base_url=program.url) as http,
    ):
        with ThreadPoolExecutor(8) as pool:
            choices = ["tea", "coffee", "tea", "water"] * 10
            statuses = list(pool.map(lambda each: http.post(f"/poll/{each}").status_code, choices))
        assert statuses == [200, 200, 200, 404] * 10
        assert http.get("/poll").json() == {"tea": 20, "coffee": 10}
        token = http.get("/token", params={"identity": "ada"}).text
        async with syncline.connect(server.url, token=token) as client:
            assert (await client.document("poll")).data == {"tea": 20, "coffee": 10}
    assert "Traceback" not in program.output
