"""The Django example: its command, and its views in two workers that Gunicorn forks."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

import syncline
from support.examples import EXAMPLES, Program, run
from support.server import RunningServer

PROJECT = EXAMPLES / "django"
MANAGE = sys.executable, PROJECT / "manage.py"


async def test_forked_workers_sell_nothing_twice(
    server: RunningServer, environ: dict[str, str], tmp_path: Path
) -> None:
    command = "-m", "gunicorn", "--chdir", PROJECT, "--preload", "--workers", "2"
    bind = "--bind", "127.0.0.1:0", "project:application"
    with (
        Program(sys.executable, *command, *bind, environ=environ, log=tmp_path / "log") as program,
        httpx2.Client(base_url=program.url) as http,
    ):
        assert http.get("/stock").json() == {}
        assert http.post("/buy/lamp").status_code == 404
        assert run(*MANAGE, "restock", "lamp=7", "desk=1", environ=environ) == (
            "lamp: 7 left\ndesk: 1 left\n"
        )
        with ThreadPoolExecutor(8) as pool:
            sales = list(pool.map(lambda _: http.post("/buy/lamp").status_code, range(12)))
        assert sorted(sales) == [200] * 7 + [409] * 5
        assert http.post("/buy/sofa").status_code == 404
        assert http.get("/buy/lamp").status_code == 405
        assert http.get("/stock").json() == {"lamp": 0, "desk": 1}
        token = http.get("/token", params={"identity": "ada"}).text
        async with syncline.connect(server.url, token=token) as client:
            stock = await client.map("stock", mode="open_existing")
            desk = await stock.get("desk")
            assert desk is not None and desk.data == {"left": 1}
    assert "Traceback" not in program.output
