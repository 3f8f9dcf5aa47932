from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from syncline_server import logs
from syncline_server.settings import Settings

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
def test_what_tells_of_each_connection_is_quiet(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    logs.configure(Settings(log_level="debug"))
    logging.getLogger(name).info("a connection came")
    logging.getLogger(name).warning("a connection is odd")
    assert len(lines(capsys)) == 1


def test_configuring_anew_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    logs.configure(Settings(log_format="json"))
    LOGGER.info("once")
    assert len(entries(capsys)) == 1
