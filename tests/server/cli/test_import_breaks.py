"""Imports that are throttled, interrupted or killed."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support.api import DocumentsApi
from support.command import CommandLine
from support.http import Ask, HttpServer, Reply, forwarding, json_reply
from support.limits import WAIT_LIMIT
from support.server import SYNCLINE, RunningServer, clean_environ
from support.transfer import contents, counts, environ_of, everything, fill

Answer = Callable[[Ask], Reply | None]


def page_token(ask: Ask) -> str | None:
    """Which page of a listing a request asks for; None for the first."""
    return parse_qs(urlsplit(ask.target).query).get("PageToken", [None])[0]


def throttling(answer: Answer, is_throttled: Callable[[int], bool], **headers: str) -> Answer:
    """Refuses some requests, by their number from 1, with 429."""
    numbers = iter(range(1, 10_000))
    lock = threading.Lock()

    def throttled(ask: Ask) -> Reply | None:
        with lock:
            number = next(numbers)
        if is_throttled(number):
            body = {"code": 20429, "status": 429, "message": "Too many requests"}
            return json_reply(429, body, **headers)
        return answer(ask)

    return throttled


def test_throttling_on_both_sides_is_borne(
    between: CommandLine,
    source: RunningServer,
    target: RunningServer,
    there: DocumentsApi,
    here: DocumentsApi,
) -> None:
    fill(there, 25)
    reading = throttling(forwarding(source.url), lambda number: number % 2 == 1)
    writing = throttling(forwarding(target.url), lambda number: number % 7 == 0)
    with HttpServer(reading) as slow_source, HttpServer(writing) as slow_target:
        outcome = between(
            "import",
            "--page-size=10",
            f"--from-url={slow_source.url}",
            environ={"SYNCLINE_URL": slow_target.url},
        )
    assert outcome.value == counts(created=25)
    assert outcome.err == ""
    assert contents(here) == contents(there)
    pages = [ask for ask in slow_source.asked if "/Documents" in ask.target]
    assert len(pages) == 6


def test_throttling_without_end_is_given_up(
    between: CommandLine, source: RunningServer, there: DocumentsApi, here: DocumentsApi
) -> None:
    fill(there, 20, every=2)
    reading = throttling(forwarding(source.url), lambda number: number > 1)
    with HttpServer(reading) as slow_source:
        outcome = between(
            "import", "--retries=1", "--page-size=10", f"--from-url={slow_source.url}"
        )
        assert len(slow_source.asked) == 3
    assert outcome.status == 1
    assert outcome.out == ""
    [hint, reason] = outcome.err.splitlines()
    assert "interrupted; run the same command again" in hint
    assert "The source refuses to list its documents: Too many requests" in reason
    assert len(everything(here)) == 10


class RequestBlocker:
    """Forwards requests, but blocks the first that `blocks` accepts.

    Attributes:
        reached: set when it has come.
        released: set by the test, to let it go on.
    """

    def __init__(self, answer: Answer, blocks: Callable[[Ask], bool]) -> None:
        self.reached, self.released = threading.Event(), threading.Event()
        self._answer = answer
        self._blocks = blocks

    def __call__(self, ask: Ask) -> Reply | None:
        if self._blocks(ask):
            self.reached.set()
            self.released.wait(60)
        return self._answer(ask)


def started_import(
    environ: dict[str, str], directory: Path, *options: str
) -> subprocess.Popen[bytes]:
    """An import of its own process, whose stderr can be read."""
    return subprocess.Popen(
        [SYNCLINE, "import", *options],
        env=clean_environ(environ),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_one_that_was_killed_goes_on_at_its_page(
    between: CommandLine,
    source: RunningServer,
    target: RunningServer,
    there: DocumentsApi,
    here: DocumentsApi,
    tmp_path: Path,
) -> None:
    fill(there, 50, every=2)
    tokens: list[str | None] = []

    def third_page(ask: Ask) -> bool:
        tokens.append(page_token(ask))
        return len(tokens) == 3

    blocker = RequestBlocker(forwarding(source.url), third_page)
    with HttpServer(blocker) as proxy:
        environ = environ_of(source, target) | {"SYNCLINE_FROM_URL": proxy.url}
        with started_import(environ, tmp_path, "--page-size=10") as process:
            assert blocker.reached.wait(30)
            process.kill()
        blocker.released.set()
        assert len(everything(here)) == 20

        outcome = between("import", "--page-size=10", environ=environ)

        assert tokens[3] == tokens[2]
    # Both runs together.
    assert outcome.value == counts(created=50)
    assert contents(here) == contents(there)


@pytest.mark.parametrize("ttl", [None, "600"])
def test_documents_under_way_when_it_was_killed_come_once(
    between: CommandLine,
    source: RunningServer,
    target: RunningServer,
    there: DocumentsApi,
    here: DocumentsApi,
    tmp_path: Path,
    ttl: str | None,
) -> None:
    fill(there, 10, every=1)
    if ttl is not None:
        for document in everything(there):
            there.call("POST", document["sid"], data={"Ttl": ttl})
    forward, created, answer_allowed = (
        forwarding(target.url),
        threading.Semaphore(0),
        threading.Event(),
    )

    def answer(ask: Ask) -> Reply | None:
        reply = forward(ask)
        if ask.method == "POST":
            # It is there, but for the present nobody gets the answer.
            created.release()
            answer_allowed.wait(60)
        return reply

    with HttpServer(answer) as proxy:
        environ = environ_of(source, target) | {"SYNCLINE_URL": proxy.url}
        with started_import(environ, tmp_path, "--concurrency=10") as process:
            for _ in range(10):
                assert created.acquire(timeout=WAIT_LIMIT)
            process.kill()
        answer_allowed.set()
        assert len(everything(here)) == 10
        if ttl is not None:
            # The time that is left is another one, as it is when the run goes on later.
            for document in everything(there):
                there.call("POST", document["sid"], data={"Ttl": "1200"})
        assert between("import", environ=environ).value == counts(created=10)
    assert contents(here) == contents(there)
    expiries = {document["date_expires"] is not None for document in everything(here)}
    assert expiries == {ttl is not None}


def test_a_document_whose_answer_is_lost_comes_once(
    between: CommandLine, target: RunningServer, there: DocumentsApi, here: DocumentsApi
) -> None:
    fill(there, 10, every=2)
    forward, seen = forwarding(target.url), Counter[str]()

    def lose_first(ask: Ask) -> Reply | None:
        reply = forward(ask)
        op = ask.headers.get("Idempotency-Key", "")
        seen[op] += 1
        return None if op and seen[op] == 1 else reply

    with HttpServer(lose_first) as proxy:
        outcome = between("import", environ={"SYNCLINE_URL": proxy.url})
    assert outcome.value == counts(created=10)
    assert contents(here) == contents(there)


def test_when_the_target_goes_down_the_rest_comes_later(
    between: CommandLine,
    source: RunningServer,
    target: RunningServer,
    there: DocumentsApi,
    here: DocumentsApi,
) -> None:
    fill(there, 30, every=2)
    forward, pages = forwarding(source.url), iter(range(1, 100))

    def stop_target(ask: Ask) -> Reply | None:
        if next(pages) == 2:
            target.stop()
        return forward(ask)

    with HttpServer(stop_target) as proxy:
        options = ("--page-size=10", "--retries=0", f"--from-url={proxy.url}")
        broken = between("import", *options)
        assert broken.status == 3
        assert f"{target.url} cannot be reached" in broken.err
        assert broken.out == ""
        target.restart()
        assert len(everything(here)) == 10
        assert between("import", *options).value == counts(created=30)
    assert contents(here) == contents(there)


def test_a_place_that_the_source_has_forgotten_is_no_harm(
    between: CommandLine, source: RunningServer, there: DocumentsApi, here: DocumentsApi
) -> None:
    fill(there, 30, every=2)
    forward, tokens = forwarding(source.url), list[str]()
    refusals = {
        1: json_reply(503, {"code": 20503, "status": 503, "message": "Away."}),
        2: json_reply(400, {"code": 54453, "status": 400, "message": "Invalid PageToken"}),
    }

    def answer(ask: Ask) -> Reply:
        token = page_token(ask)
        if token is None:
            return forward(ask)
        tokens.append(token)
        return refusals.get(len(tokens)) or forward(ask)

    with HttpServer(answer) as proxy:
        options = ("--page-size=10", "--retries=0", f"--from-url={proxy.url}")
        assert between("import", *options).status == 1
        outcome = between("import", *options)
    assert outcome.err == "syncline: the source has changed; starting again from the beginning\n"
    assert outcome.value == counts(created=20, skipped=10)
    assert contents(here) == contents(there)


def test_two_at_once_with_one_state_are_refused(
    between: CommandLine, source: RunningServer, target: RunningServer, tmp_path: Path
) -> None:
    blocker = RequestBlocker(forwarding(source.url), lambda ask: True)
    with HttpServer(blocker) as proxy:
        environ = environ_of(source, target) | {"SYNCLINE_FROM_URL": proxy.url}
        with started_import(environ, tmp_path) as first:
            assert blocker.reached.wait(30)
            second = between("import", environ=environ)
            blocker.released.set()
            assert first.wait(30) == 0
    assert second.status == 2
    assert "cannot be used: database is locked" in second.err


def test_an_interruption_ends_it_at_once_and_is_no_harm(
    between: CommandLine,
    source: RunningServer,
    target: RunningServer,
    there: DocumentsApi,
    here: DocumentsApi,
    tmp_path: Path,
) -> None:
    fill(there, 10, every=2)
    forward, throttled, repaired = forwarding(target.url), threading.Event(), threading.Event()

    def answer(ask: Ask) -> Reply | None:
        if ask.method != "POST" or repaired.is_set():
            return forward(ask)
        throttled.set()
        body = {"code": 20429, "status": 429, "message": "Too many requests"}
        return json_reply(429, body, Retry_After="200")

    with HttpServer(answer) as proxy:
        environ = environ_of(source, target) | {"SYNCLINE_URL": proxy.url}
        with started_import(environ, tmp_path) as process:
            assert throttled.wait(30)
            process.send_signal(signal.SIGINT)
            _, output = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"interrupted" in output
        repaired.set()
        assert between("import", environ=environ).value == counts(created=10)
    assert contents(here) == contents(there)
