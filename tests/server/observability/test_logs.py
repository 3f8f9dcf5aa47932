from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from support.server import RunningServer, StartServer
from support.socket import native_socket
from support.stream import event_stream
from syncline_server.config.settings import Settings
from syncline_server.observability import logs

LOGGER = logging.getLogger("syncline.test")


@pytest.fixture(autouse=True)
def logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test configures ends with it; the test run's own handlers are kept from it."""
    named = [logging.getLogger(name) for name in ("uvicorn", "syncline.socket")]
    levels = [(logger, logger.level) for logger in (logging.root, *named)]
    monkeypatch.setattr(logging.root, "handlers", [])
    yield
    for logger, level in levels:
        logger.setLevel(level)


def lines(captured: pytest.CaptureFixture[str]) -> list[str]:
    """What was logged; nothing of it may be on stdout."""
    out, err = captured.readouterr()
    assert out == ""
    return err.splitlines()


def entries(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(captured)]


def test_text_is_one_line_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    LOGGER.info("%s went away", "Redis")
    [line] = lines(capsys)
    assert line.endswith("INFO    syncline.test: Redis went away")
    assert line[:4].isdigit()


def test_json_is_one_object_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    LOGGER.warning("%s went\naway: é", "Redis")
    [entry] = entries(capsys)
    assert datetime.fromisoformat(entry.pop("time")).tzinfo is UTC
    assert entry.pop("process") == os.getpid()
    assert entry == {
        "level": "warning",
        "logger": "syncline.test",
        "message": "Redis went\naway: é",
    }


def test_json_holds_the_traceback_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        LOGGER.exception("failed")
    [entry] = entries(capsys)
    assert "Traceback" in entry["error"] and "by zero" in entry["error"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_character_loses_an_event(capfd: pytest.CaptureFixture[str], log_format: str) -> None:
    """A file's name, for one, may hold what UTF-8 cannot carry."""
    logs.configure(Settings(log_format=log_format))
    LOGGER.info("cannot read %s", "\udcff.json")
    [line] = lines(capfd)
    assert "cannot read" in line and ".json" in line


@pytest.mark.parametrize(
    ("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)]
)
def test_nothing_below_the_level_is_logged(
    capsys: pytest.CaptureFixture[str], level: str, count: int
) -> None:
    logs.configure(Settings(log_level=level))
    for each in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        LOGGER.log(each, "event")
    assert len(lines(capsys)) == count


@pytest.mark.parametrize("name", ["uvicorn.error", "syncline.socket"])
def test_lines_about_each_connection_are_quiet(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    logs.configure(Settings(log_level="debug"))
    logging.getLogger(name).info("a connection came")
    logging.getLogger(name).warning("a connection is odd")
    assert len(lines(capsys)) == 1


def test_configuring_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    logs.configure(Settings(log_format="json"))
    LOGGER.info("once")
    assert len(entries(capsys)) == 1


async def log_in_task(**extra: Any) -> None:
    """One event in a task of its own, which is about a document of alice's."""

    async def log_entry() -> None:
        logs.about(identity="alice")
        logs.about(object="a doc")
        LOGGER.info("done", extra=extra)

    await asyncio.create_task(log_entry())


async def test_text_names_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    await log_in_task(code=54103, peer=None, rights=["read"])
    LOGGER.info("over")
    first, last = lines(capsys)
    assert first.endswith(': done identity=alice object="a doc" code=54103 rights=["read"]')
    assert last.endswith(": over")


async def test_json_names_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    await log_in_task(object="another", code=54103, peer=None, level="none", rights=["read"])
    LOGGER.info("over")
    first, last = entries(capsys)
    assert (first["identity"], first["object"], first["code"]) == ("alice", "another", 54103)
    assert first["rights"] == ["read"] and "peer" not in first
    assert first["level"] == "info"
    assert "identity" not in last


async def test_tasks_keep_apart_what_they_are_about(capsys: pytest.CaptureFixture[str]) -> None:
    async def work(identity: str) -> None:
        logs.about(identity=identity)
        await asyncio.sleep(0)
        LOGGER.info("done")

    logs.configure(Settings(log_format="json"))
    await asyncio.gather(work("alice"), work("bob"))
    assert {entry["identity"] for entry in entries(capsys)} == {"alice", "bob"}


FORGED = "x\n2026-01-01 00:00:00,000 1 INFO    syncline.audit: forged"


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    "value", [FORGED, "\r\n", "a\x1b[2Jb", "\x85", "\u2028", "\u202egnp", "\0", 'a" b="c']
)
def test_no_value_forges_an_event(
    capfd: pytest.CaptureFixture[str], log_format: str, value: str
) -> None:
    logs.configure(Settings(log_format=log_format))
    try:
        raise ValueError(value)
    except ValueError:
        LOGGER.exception("%s failed", value, extra={"object": value, "identity": value})
    _, err = capfd.readouterr()
    assert err.endswith("\n") and err[:-1].isprintable()
    if log_format == "json":
        entry = json.loads(err)
        assert entry["object"] == entry["identity"] == value
        assert entry["message"] == f"{value} failed" and value in entry["error"]
    else:
        assert ' b="c' not in err.partition(" object=")[2]


class TestLogOfAServer:
    @pytest.fixture
    def talkative(self, fresh_server: StartServer) -> RunningServer:
        return fresh_server("--log-level=debug", "--log-format=json")

    def entries(self, server: RunningServer, logger: str) -> list[dict[str, Any]]:
        """The entries of that logger so far; every line is an object of its own."""
        log_in_task = [json.loads(line) for line in server.log.read_text().splitlines()]
        return [entry for entry in log_in_task if entry["logger"] == logger]

    def test_of_a_request(self, talkative: RunningServer) -> None:
        identity = f"alice\n{FORGED}"
        url = f"{talkative.url}/v1/Services/default/Documents/nothing"
        headers = {
            "Authorization": f"Bearer {talkative.token(identity)}",
            "X-Request-Id": "from:the-proxy_1",
        }
        reply = httpx2.get(url, headers=headers)
        assert reply.headers["X-Request-Id"] == "from:the-proxy_1"
        [entry] = self.entries(talkative, "syncline.requests")
        assert entry["message"] == "GET /v1/Services/default/Documents/nothing"
        assert (entry["status"], entry["code"]) == (404, 20404)
        assert entry["request"] == "from:the-proxy_1"
        assert (entry["identity"], entry["object"]) == (identity, "nothing")
        assert entry["service"].startswith("IS")
        assert entry["wire"] == "rest" and entry["peer"].startswith("127.0.0.1:")

    async def test_of_a_command(self, talkative: RunningServer) -> None:
        async with native_socket(talkative, talkative.token("bob")) as socket:
            await socket.ok("open", document="logged")
            await socket.error("set", document="logged", data={}, if_match="1")
        opened, refused = self.entries(talkative, "syncline.session")
        assert (opened["message"], opened["object"]) == ("open", "logged")
        assert (refused["message"], refused["code"]) == ("set", 54103)
        for entry in (opened, refused):
            assert (entry["wire"], entry["identity"]) == ("native", "bob")
            assert entry["peer"].startswith("127.0.0.1:") and entry["service"].startswith("IS")

    async def test_of_a_stream(self, talkative: RunningServer) -> None:
        async with native_socket(talkative) as socket:
            opened = await socket.ok("open", document="streamed")
        async with event_stream(talkative, opened["document"]["sid"]) as stream:
            await stream.next()
            request_id = stream.response.headers["X-Request-Id"]
        entry = self.entries(talkative, "syncline.session")[-1]
        assert (entry["wire"], entry["request"]) == ("sse", request_id)

    def test_no_secret(self, talkative: RunningServer) -> None:
        token = talkative.token()
        url = f"{talkative.url}/v1/Services/default/Documents"
        assert httpx2.get(f"{url}?Token={token}", auth=talkative.basic).status_code == 200
        assert httpx2.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        log = talkative.log.read_text()
        assert "syncline.requests" in log
        assert token not in log and talkative.basic[1] not in log


def test_a_logger_that_anybody_can_use_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    logger = logging.getLogger("syncline.test.bounded")
    limit = logs.LineLimit(lambda: now[0])
    logger.addFilter(limit)
    logs.configure(Settings(log_format="json"))
    for _ in range(1000):
        logger.warning("it came from outside")
    assert len(entries(capsys)) == logs.LINES
    now[0] = logs.PERIOD
    logger.warning("one more")
    [line] = entries(capsys)
    assert line["left_out"] == 1000 - logs.LINES
    logger.removeFilter(limit)


@pytest.mark.parametrize("name", ["realtime", "native", "twilsock", "session", "socket"])
def test_the_errors_of_clients_are_bounded(name: str) -> None:
    logs.configure(Settings())
    filters = logging.getLogger(f"syncline.{name}").filters
    assert any(isinstance(each, logs.LineLimit) for each in filters)
