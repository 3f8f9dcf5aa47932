"""The client that waits and asks again, before a server with scripted answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import click
import httpx2
import pytest

from support.http import Ask, HttpServer, Reply
from syncline_server.cli.retrying_client import (
    LONGEST_PAUSE,
    LONGEST_RETRY_AFTER,
    SPREAD,
    RetryingClient,
)

OK = Reply(200)
LOST = None


class Clock(threading.Event):
    """Never set, and waited for no time: it only notes for how long it should have been."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        return super().wait(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def answering(*replies: Reply | None) -> Iterator[HttpServer]:
    """A server that gives these answers, one after the other, and then always 200."""
    left = list(replies)
    with HttpServer(lambda ask: left.pop(0) if left else OK) as server:
        yield server


def wishing(value: str, status: int = 429) -> Reply:
    return Reply(status, headers={"Retry-After": value})


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_asked_again(clock: Clock, status: int) -> None:
    with answering(Reply(status), Reply(status)) as server:
        with RetryingClient(retries=2, stop=clock) as http:
            assert http.get(server.url).status_code == 200
        assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500])
def test_what_will_not_pass_is_not(clock: Clock, status: int) -> None:
    with answering(Reply(status)) as server, RetryingClient(retries=2, stop=clock) as http:
        assert http.get(server.url).status_code == status


def test_the_last_refusal_is_the_answer(clock: Clock) -> None:
    with answering(Reply(429), Reply(503), OK) as server:
        with RetryingClient(retries=1, stop=clock) as http:
            assert http.get(server.url).status_code == 503


def test_a_request_is_sent_again_as_it_was(clock: Clock) -> None:
    with answering(Reply(503)) as server:
        with RetryingClient(retries=1, stop=clock) as http:
            http.post(server.url, data={"Data": "{}"}, headers={"Idempotency-Key": "k"})
        first, second = server.asked
        assert first == second
        assert second.body == b"Data=%7B%7D"


def test_the_pause_that_the_server_asks_for_is_kept(clock: Clock) -> None:
    with answering(wishing("100")) as server, RetryingClient(retries=1, stop=clock) as http:
        http.get(server.url)
    first, second = clock.waits
    assert first == 0
    assert 99 < second <= 100 * SPREAD


def test_it_may_be_a_date(clock: Clock) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    with answering(wishing(date)) as server, RetryingClient(retries=1, stop=clock) as http:
        http.get(server.url)
    assert 90 < clock.waits[1] <= 100 * SPREAD


def test_all_keep_to_the_pause_that_one_was_asked_for(clock: Clock) -> None:
    with answering(wishing("100")) as server, RetryingClient(retries=0, stop=clock) as http:
        assert http.get(server.url).status_code == 429
        http.get(server.url)
    assert clock.waits[1] > 90


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "²"])
def test_a_retry_after_without_a_date_counts_as_none(clock: Clock, value: str) -> None:
    with answering(wishing(value.encode().decode("latin-1"))) as server:
        with RetryingClient(retries=1, stop=clock) as http:
            assert http.get(server.url).status_code == 200
    assert clock.waits[1] < 1


def test_a_retry_after_that_is_too_long_is_not_obeyed(clock: Clock) -> None:
    with answering(wishing(str(LONGEST_RETRY_AFTER + 1))) as server:
        with RetryingClient(retries=1, stop=clock) as http:
            assert http.get(server.url).status_code == 429
        assert len(server.asked) == 1


def test_pauses_are_random_and_bounded(clock: Clock) -> None:
    with answering(*[Reply(503)] * 40) as server, RetryingClient(retries=40, stop=clock) as http:
        http.get(server.url)
    pauses = clock.waits[1:]
    assert len(set(pauses)) > 30
    assert pauses[0] <= 0.5
    assert max(pauses) > 5
    # What was left of the pauses before is in it too, for nobody really waited.
    assert max(pauses) <= LONGEST_PAUSE


def test_a_connection_that_breaks_is_made_again(clock: Clock) -> None:
    with answering(OK, LOST, LOST) as server, RetryingClient(retries=2, stop=clock) as http:
        http.get(server.url)
        assert http.get(server.url).status_code == 200
        assert len(server.asked) == 4


def test_one_that_breaks_permanently_is_given_up(clock: Clock) -> None:
    with answering(OK, LOST, LOST) as server, RetryingClient(retries=1, stop=clock) as http:
        http.get(server.url)
        with pytest.raises(httpx2.TransportError):
            http.get(server.url)


def test_a_server_that_has_never_answered_is_not_waited_for(clock: Clock) -> None:
    with answering(LOST) as server, RetryingClient(retries=5, stop=clock) as http:
        with pytest.raises(httpx2.TransportError):
            http.get(server.url)
        assert len(server.asked) == 1


def test_who_waits_can_be_stopped() -> None:
    stop = threading.Event()

    def answer(ask: Ask) -> Reply:
        stop.set()
        return wishing("200")

    with HttpServer(answer) as server, RetryingClient(retries=5, stop=stop) as http:
        with pytest.raises(click.Abort):
            http.get(server.url)
