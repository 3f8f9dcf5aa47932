"""`syncline webhooks`: what was given up, from a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from support.account import Account
from support.command import CommandLine
from support.limits import WAIT_LIMIT
from support.receiver import Answer, Receiver
from support.server import RunningServer, clean_environ
from support.terminal import on_terminal
from syncline_server.cli.webhook_subjects import subject_of

COUNT = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One that gives up after the first attempt."""
    options = "--webhook-networks=127.0.0.0/8", "--webhook-retry-time=0"
    with RunningServer(tmp_path_factory.mktemp("webhooks") / "data", *options) as server:
        yield server


@pytest.fixture
def service(server: RunningServer) -> str:
    """The SID of a service for one test."""
    with Account(server) as account:
        return account.service()


@pytest.fixture
def admin(command: CommandLine, server: RunningServer, service: str) -> CommandLine:
    """The command line, with the account's login, for the service of the test."""
    user, password = server.basic
    command.environ = {
        "SYNCLINE_URL": server.url,
        "SYNCLINE_ACCOUNT_SID": user,
        "SYNCLINE_AUTH_TOKEN": password,
        "SYNCLINE_SERVICE": service,
    }
    return command


async def given_up(server: RunningServer, receiver: Receiver, service: str) -> list[str]:
    """The ids of what is parked in a service."""
    receiver.answer = lambda _: Answer(500)
    with Account(server) as account:
        settings = {"WebhookUrl": receiver.url, "WebhooksFromRestEnabled": "true"}
        account.ok("POST", service, data=settings)
        for n in range(COUNT):
            account.document(service, f"document {n}")
        async with asyncio.timeout(WAIT_LIMIT):
            while len(parked := _parked(account, service)) < COUNT:
                await asyncio.sleep(0.05)
    return [each["id"] for each in parked]


def _parked(account: Account, service: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = account.ok("GET", service, "ParkedWebhooks")["parked_webhooks"]
    return found


async def test_they_are_listed_and_dropped(
    server: RunningServer, service: str, admin: CommandLine
) -> None:
    async with Receiver() as receiver:
        ids = await given_up(server, receiver, service)
    listed = admin("webhooks", "list").lines
    assert [each["id"] for each in listed] == ids
    assert {each["event_type"] for each in listed} == {"document_created"}
    assert admin("webhooks", "drop", ids[0], "--yes").value == {"dropped": 1}
    assert [each["id"] for each in admin("webhooks", "list").lines] == ids[1:]
    again = admin("webhooks", "drop", ids[0], "--yes")
    assert (again.status, again.out) == (1, "")
    assert "20404" in again.err
    assert admin("webhooks", "drop", "--all", "--yes").value == {"dropped": COUNT - 1}
    assert admin("webhooks", "list").lines == []


async def test_they_are_sent_again(server: RunningServer, service: str, admin: CommandLine) -> None:
    async with Receiver(server.basic[1]) as receiver:
        ids = await given_up(server, receiver, service)
        receiver.answer = lambda _: Answer()
        one = await asyncio.to_thread(admin, "webhooks", "replay", ids[1])
        assert one.value == {"queued": 1}
        [taken] = await receiver.until_taken(1)
        assert taken.form["DocumentUniqueName"] == "document 1"
        rest = await asyncio.to_thread(admin, "webhooks", "replay", "--all")
        assert rest.value == {"queued": COUNT - 1}
        await receiver.until_taken(COUNT)
        assert receiver.unsigned == []


@pytest.mark.parametrize("verb", ["replay", "drop"])
@pytest.mark.parametrize("arguments", [[], ["some-id", "--all"]])
def test_which_ones_must_be_said_once(admin: CommandLine, verb: str, arguments: list[str]) -> None:
    outcome = admin("webhooks", verb, *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert "--all" in outcome.err


def test_a_token_does_not_do(server: RunningServer, command: CommandLine) -> None:
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token()}
    outcome = command("webhooks", "list")
    assert (outcome.status, outcome.out) == (1, "")
    assert "20403" in outcome.err


async def test_on_a_terminal_they_are_a_table(
    server: RunningServer, service: str, admin: CommandLine
) -> None:
    async with Receiver() as receiver:
        ids = await given_up(server, receiver, service)
    environ = clean_environ(admin.environ)
    status, written = await asyncio.to_thread(on_terminal, "webhooks", "list", environ=environ)
    assert status == 0, written
    assert written.count("document_created") == len(ids)
    for heading in ("id", "event", "attempts", "reason"):
        assert heading in written


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ({"DocumentUniqueName": "prefs", "DocumentSid": "ET1"}, "prefs"),
        ({"DocumentSid": "ET1"}, "ET1"),
        ({"StreamSid": "TO1"}, "TO1"),
        ({"ListUniqueName": "log", "ListSid": "ES1"}, "log"),
        ({"ListUniqueName": "log", "ListSid": "ES1", "ItemIndex": "0"}, "log, item 0"),
        ({"MapSid": "MP1", "ItemKey": "a/b"}, "MP1, item a/b"),
        ({}, "alice"),
    ],
)
def test_what_an_event_is_of(parameters: dict[str, str], shown: str) -> None:
    assert subject_of({"Identity": "alice", **parameters}) == shown
