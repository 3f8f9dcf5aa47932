"""A client's own writes, until their events come."""

from __future__ import annotations

from syncline_server.realtime.own_marks import MARKS_LIMIT, OwnMarks


def test_an_event_shows_that_those_of_earlier_writes_came_or_were_lost() -> None:
    marks = OwnMarks()
    marks.add((1, 2))
    marks.add((3,))
    assert marks.has(2) and not marks.take(4)
    assert marks.take(2) and not marks.take(2) and not marks.has(1)
    assert marks.take(3) and marks.is_clear(0)


def test_what_the_client_received_otherwise_is_not_waited_for() -> None:
    marks = OwnMarks()
    marks.add((1, 2, "TZ1"))
    assert not marks.is_clear(1)
    assert marks.has(2) and not marks.has(1)
    assert not marks.is_clear(9), "a message has no revision"
    assert marks.take("TZ1") and marks.is_clear(0)


def test_only_so_many_are_remembered() -> None:
    marks = OwnMarks()
    marks.add(range(2 * MARKS_LIMIT))
    assert not marks.has(MARKS_LIMIT - 1) and marks.has(MARKS_LIMIT)
