"""Whole runs against a real server: green as it is, red where a promise is broken on purpose."""

from __future__ import annotations

import asyncio
import shlex
import sys
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from support.api import DocumentsApi
from support.meddler import Meddle, Meddler
from support.server import RunningServer
from support.verify import Outcome, run_verify
from syncline_tools.verify.plan import FaultKind
from syncline_tools.verify.records import Created
from syncline_tools.verify.run import WIRES

SHORT = (
    "--duration=1",
    "--patience=1",
    "--faults=none",
    "--rate=60",
    "--clients=1",
    "--types=documents",
)

TAMPER = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
replies = connection.makefile("rb")

def call(*words):
    parts = [b"*%d\\r\\n" % len(words)]
    for word in (word.encode() for word in words):
        parts.append(b"$%d\\r\\n%b\\r\\n" % (len(word), word))
    connection.sendall(b"".join(parts))
    return read()

def read():
    line = replies.readline()[:-2]
    if line[:1] == b"*":
        return [read() for _ in range(int(line[1:]))]
    if line[:1] == b"$" and line != b"$-1":
        return replies.read(int(line[1:]) + 2)[:-2]
    return line

for key in call("KEYS", "*:document:*"):
    if "/counter-" in str(call("HGET", key.decode(), "n")):
        call("HSET", key.decode(), "d", '{"n":0}')
"""
"""Takes back what the run's counters have counted, behind the server's back."""


class TestGreen:
    def test_a_server_keeps_its_promises_through_all_faults(self, recorded: Outcome) -> None:
        assert recorded.broken == set()
        assert (recorded.status, recorded.verdict["verdict"]) == (0, "green")

    def test_every_promise_was_put_to_the_test(self, recorded: Outcome) -> None:
        examined = {check["name"]: check["examined"] for check in recorded.verdict["checks"]}
        assert [name for name, count in examined.items() if not count] == ["commands"]
        figures = recorded.verdict["figures"]
        assert set(figures["faults"]) == set(FaultKind)
        assert set(figures["delay"]) == set(WIRES)
        assert all(spread["count"] > 0 for spread in figures["delay"].values())
        assert figures["settled"] > 0

    def test_the_picture_can_be_drawn(self, recorded: Outcome) -> None:
        picture = ElementTree.parse(recorded.directory / "timeline.svg")
        texts = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
        assert {f"{wire}-1" for wire in WIRES} <= texts

    def test_nothing_stays_of_it(self, recorded: Outcome, server: RunningServer) -> None:
        made = [each.document for each in recorded.records if isinstance(each, Created)]
        with DocumentsApi(server) as documents:
            assert {documents.call("GET", sid).status_code for sid in made} == {404}


class TestInconclusive:
    def test_a_run_that_is_too_short(self, server: RunningServer, tmp_path: Path) -> None:
        outcome = run_verify(server, tmp_path, "--duration=1", "--rate=1", "--faults=none")

        assert (outcome.status, outcome.verdict["verdict"]) == (4, "inconclusive")
        assert (outcome.broken, outcome.doubts) == (set(), {"effect"})

    def test_a_command_that_failed(self, server: RunningServer, tmp_path: Path) -> None:
        outcome = run_verify(server, tmp_path, *SHORT, "--during=exit 3")

        assert (outcome.status, outcome.verdict["verdict"]) == (5, "inconclusive")
        assert "commands" in outcome.doubts


class TestRed:
    async def test_one_event_on_the_way_to_one_subscriber(
        self, server: RunningServer, tmp_path: Path
    ) -> None:
        # Others follow, so that it neither stays stale nor differs at the end.
        drop = _first(b"/counter-", lambda message: None)
        outcome = await _meddled(server, tmp_path, drop, "--duration=3", "--rate=100")
        assert outcome.broken == {"complete"}

    async def test_one_dropped_end(self, server: RunningServer, tmp_path: Path) -> None:
        outcome = await _meddled(server, tmp_path, _first(b'"removed"', lambda message: None))
        assert outcome.broken == {"fresh", "removals"}

    async def test_a_revision_with_other_content(
        self, server: RunningServer, tmp_path: Path
    ) -> None:
        outcome = await _meddled(
            server,
            tmp_path,
            _first(b'"updated"', lambda message: message.replace(b'"data":{', b'"data":{"x":1,')),
        )
        assert outcome.broken == {"revisions"}

    def test_lost_writes(self, server: RunningServer, tmp_path: Path) -> None:
        redis = server.data_dir / "redis/redis.sock"
        command = shlex.join([sys.executable, "-c", TAMPER, str(redis)])
        longer = ("--duration=3", "--rate=100")
        outcome = run_verify(server, tmp_path, *SHORT, *longer, f"--during={command}")
        assert (outcome.status, outcome.verdict["verdict"]) == (1, "red")
        assert "counters" in outcome.broken


async def _meddled(
    server: RunningServer, directory: Path, meddle: Meddle, *options: str
) -> Outcome:
    async with Meddler(server, meddle) as proxy:
        outcome = await asyncio.to_thread(
            run_verify, server, directory, *SHORT, *options, url=proxy.url
        )
    assert (outcome.status, outcome.verdict["verdict"]) == (1, "red")
    return outcome


def _first(mark: bytes, change: Meddle) -> Meddle:
    """Change the first event that has a mark, and no other message."""
    changes = count()

    def meddle(message: bytes) -> Any:
        is_event = message.startswith(b'{"event":') and mark in message
        return change(message) if is_event and next(changes) == 0 else message

    return meddle
