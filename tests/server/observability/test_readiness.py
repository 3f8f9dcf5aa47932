"""Named problems: what is listed, and how many lines the log gets."""

from __future__ import annotations

import logging

import pytest

from syncline_server.observability.readiness import REMEMBERED, REPORT_INTERVAL, Readiness


class Clock:
    """A time that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lists_the_problems_there_are() -> None:
    readiness = Readiness()
    readiness.report("redis", "Redis at a:1 refuses writes: OOM")
    readiness.report("clock", None)
    assert readiness.problems == {"redis": "Redis at a:1 refuses writes: OOM"}
    readiness.report("redis", None)
    assert readiness.problems == {}


def test_logs_a_problem_once_in_ten_seconds_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "syncline.readiness")
    clock = Clock()
    readiness = Readiness(clock)
    for _ in range(25):
        readiness.report("redis", "OOM")
        clock.now += 1
    assert len(caplog.messages) == 3
    readiness.report("redis", None)
    readiness.report("redis", None)
    assert caplog.messages[3:] == ["redis: the problem is solved"]


def test_a_problem_that_comes_and_goes_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "syncline.readiness")
    clock = Clock()
    readiness = Readiness(clock)
    for _ in range(100):
        readiness.report("disk", "It is full")
        readiness.report("disk", None)
        clock.now += REPORT_INTERVAL / 100
    assert len(caplog.messages) == 2


def test_another_problem_of_the_same_name_is_said_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    readiness = Readiness(Clock())
    for text in ("OOM", "READONLY", "OOM"):
        readiness.report("redis", text)
    assert caplog.messages == ["not ready (redis): OOM", "not ready (redis): READONLY"]


def test_sentences_that_always_differ_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    readiness = Readiness(Clock())
    for number in range(1000):
        readiness.report("redis", f"It is {number} s off")
    assert len(caplog.messages) == REMEMBERED


def test_problems_have_their_own_lines(caplog: pytest.LogCaptureFixture) -> None:
    readiness = Readiness()
    readiness.report("redis", "It is away")
    readiness.report("disk", "It is full")
    assert caplog.messages == ["not ready (redis): It is away", "not ready (disk): It is full"]
