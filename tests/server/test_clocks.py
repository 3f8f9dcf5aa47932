"""A server whose clock is wrong: it says so, is not ready, and changes nothing for anybody."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.api import DocumentsApi
from support.limits import WAIT_LIMIT
from support.metrics import Scrape
from support.server import RunningServer, StartServer

SHIFTED = """
import os, time
_time, _time_ns, _file = time.time, time.time_ns, os.environ["SHIFT_FILE"]

def _shift():
    with open(_file) as file:
        return float(file.read() or 0)

time.time = lambda: _time() + _shift()
time.time_ns = lambda: _time_ns() + int(_shift() * 1e9)
"""
"""For `sitecustomize.py`: the process' clock is off by the seconds in a file."""

Shift = Callable[[float], None]


@pytest.fixture
def shift(tmp_path: Path) -> Shift:
    """Sets the clock of the server wrong, by so many seconds."""
    (tmp_path / "sitecustomize.py").write_text(SHIFTED)

    def shift(seconds: float) -> None:
        beside = tmp_path / "shift.new"
        beside.write_text(str(seconds))
        beside.rename(tmp_path / "shift")

    shift(0)
    return shift


@pytest.fixture
def shifted(fresh_server: StartServer, shift: Shift, tmp_path: Path) -> RunningServer:
    """A server whose clock can be set wrong; that of its Redis is right."""
    environ = {"PYTHONPATH": str(tmp_path), "SHIFT_FILE": str(tmp_path / "shift")}
    return fresh_server("--sweep-interval=0.05", environ=environ)


def readiness(server: RunningServer) -> Any:
    return httpx2.get(f"{server.url}/readyz").json()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_it_ends_no_document_early_and_keeps_none(
    shifted: RunningServer, shift: Shift, seconds: float
) -> None:
    with DocumentsApi(shifted) as api:
        api.create(UniqueName="long", Data="{}", Ttl="3600")
    shift(seconds)
    shifted.restart(is_ready=False)
    with DocumentsApi(shifted) as api:
        short_lived = api.create(UniqueName="brief", Data="{}", Ttl="1")
        assert short_lived["date_created"] != short_lived["date_expires"]
        until(lambda: api.call("GET", "brief").status_code == 404)
        assert api.call("GET", "long").status_code == 200
        updated = api.call("POST", "long", data={"Data": '{"a":1}'})
        assert updated.status_code == 200
        lead = int(updated.json()["revision"]) / 1024 / 1000 - time.time()
        assert lead < 70


@pytest.mark.parametrize("seconds", [-60, 60])
def test_it_is_not_ready_until_its_clock_is_right(
    shifted: RunningServer, shift: Shift, seconds: float
) -> None:
    until(lambda: readiness(shifted).get("status") == "ready")
    shift(seconds)
    until(lambda: "details" in readiness(shifted))
    said = readiness(shifted)
    assert said["details"]["missing"] == ["clock"]
    assert abs(said["details"]["clock_offset"] - seconds) < WAIT_LIMIT
    assert ("ahead of" if seconds > 0 else "behind") in said["message"]
    log = shifted.log.read_text()
    assert "this server's clock is" in log
    scrape = Scrape(httpx2.get(f"{shifted.url}/metrics").text)
    assert scrape.value("syncline_clock_faults_total") >= 1
    assert abs(scrape.value("syncline_clock_offset_seconds") - seconds) < WAIT_LIMIT
    with DocumentsApi(shifted) as api:
        api.create(Data="{}")  # a connected client is served
    shift(0)
    until(lambda: readiness(shifted).get("status") == "ready")
