"""`syncline webhooks listen` and `trigger`, against a real server and a real receiver."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from support.account import Account
from support.api import unique
from support.command import CommandLine
from support.receiver import Answer, Receiver
from support.server import SYNCLINE, RunningServer, clean_environ


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One that may send webhooks to this machine."""
    directory = tmp_path_factory.mktemp("listen")
    with RunningServer(directory / "data", "--webhook-networks=127.0.0.0/8") as server:
        yield server


@pytest.fixture
def service(server: RunningServer) -> str:
    """The SID of a service for one test."""
    with Account(server) as account:
        return account.service()


@pytest.fixture
def command(command: CommandLine, server: RunningServer, service: str) -> CommandLine:
    """With the account's login from the data directory, for the service of the test."""
    command.environ = {
        "SYNCLINE_URL": server.url,
        "SYNCLINE_DATA_DIR": str(server.data_dir),
        "SYNCLINE_SERVICE": service,
    }
    return command


@asynccontextmanager
async def listening(
    command: CommandLine, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running `syncline webhooks listen` that receives the events already."""
    process = await asyncio.create_subprocess_exec(
        SYNCLINE,
        "webhooks",
        "listen",
        *options,
        env=clean_environ(command.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        assert b"syncline services set" in await process.stderr.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def next_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
async def test_events_are_passed_on_with_a_right_signature(
    command: CommandLine, server: RunningServer, number: signal.Signals, status: int
) -> None:
    former = "https://app.example.com/sync"
    command("services", "set", command.environ["SYNCLINE_SERVICE"], "--webhook-url", former)
    name = unique("cli")
    async with Receiver(server.basic[1]) as receiver:
        url = f"{receiver.url}/app?x=1"
        async with listening(command, "--forward-to", url) as process:
            await asyncio.to_thread(command, "doc", "create", name, "--identity", "alice")
            [taken] = await receiver.until_taken(1)
            assert (taken.kind, taken.form["Identity"]) == ("document_created", "alice")
            assert receiver.unsigned == []
            line = json.loads(await next_line(process))
            assert (line["event"], line["of"], line["status"]) == ("document_created", name, 200)
            assert line["parameters"] == taken.form

            receiver.answer = lambda delivery: Answer(500 if len(receiver.came) < 3 else 200)
            await asyncio.to_thread(command, "doc", "rm", name, "--yes", "--identity", "alice")
            assert json.loads(await next_line(process))["status"] == 500
            # The server sends it again, as it would to the application itself.
            assert json.loads(await next_line(process))["status"] == 200
            process.send_signal(number)
            assert await process.wait() == status
    found = command("services", "get", command.environ["SYNCLINE_SERVICE"]).value
    assert found["webhook_url"] == former


async def test_a_table_has_a_line_for_each_event_also_of_writes_over_rest(
    command: CommandLine, server: RunningServer, service: str
) -> None:
    async with listening(command, "--from-rest", "-o", "table") as process:
        found = command("services", "get", service).value
        forged = httpx2.post(found["webhook_url"], data={"EventType": "document_created"})
        assert forged.status_code == 403
        with Account(server) as account:
            account.ok("POST", service, "Maps", data={"UniqueName": "players"})
        line = await next_line(process)
        assert line.split()[1:4] == ["map_created", "players", "→"]
        process.send_signal(signal.SIGINT)
        await process.wait()
    found = command("services", "get", service).value
    assert (found["webhook_url"], found["webhooks_from_rest_enabled"]) == (None, False)


async def test_a_url_that_somebody_set_meanwhile_stays(command: CommandLine, service: str) -> None:
    async with listening(command) as process:
        command("services", "set", service, "--webhook-url", "https://new.example.com/")
        process.send_signal(signal.SIGINT)
        await process.wait()
    found = command("services", "get", service).value
    assert found["webhook_url"] == "https://new.example.com/"


async def test_an_application_that_is_away_is_said(command: CommandLine) -> None:
    async with listening(command, "--forward-to", "http://127.0.0.1:1/") as process:
        await asyncio.to_thread(command, "doc", "create", "--identity", "alice")
        line = json.loads(await next_line(process))
        assert line["status"] == 502
        assert line["reason"]


@pytest.mark.parametrize(
    ("event", "options", "expected"),
    [
        ("document_updated", (), {"DocumentUniqueName": "test", "DocumentData": '{"test":true}'}),
        ("document_removed", ("--name", "x"), {"DocumentUniqueName": "x"}),
        ("map_item_added", ("--item", "ä"), {"ItemKey": "ä", "ItemData": '{"test":true}'}),
        ("list_item_removed", ("--item", "12"), {"ItemIndex": "12"}),
        ("stream_created", (), {"StreamUniqueName": "test"}),
        ("endpoint_connected", ("--by", "bob"), {"Identity": "bob"}),
    ],
)
async def test_a_test_event_is_signed_and_shaped_as_a_real_one(
    command: CommandLine,
    server: RunningServer,
    *,
    event: str,
    options: tuple[str, ...],
    expected: dict[str, str],
) -> None:
    async with Receiver(server.basic[1]) as receiver:
        arguments = "webhooks", "trigger", event, f"{receiver.url}/?a=b", *options
        outcome = await asyncio.to_thread(command, *arguments)
        assert outcome.value["status"] == 200
        [taken] = receiver.taken
        assert taken.kind == event
        assert taken.form["AccountSid"] == server.basic[0]
        assert expected.items() <= taken.form.items()
        assert receiver.unsigned == []
        receiver.answer = lambda _: Answer(503)
        assert (await asyncio.to_thread(command, *arguments)).status == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("trigger", "nothing", "http://x.example/"),
        ("trigger", "document_created", "ftp://x.example/"),
        ("trigger", "list_item_added", "http://x.example/", "--item", "x"),
        ("listen", "--address", "nowhere"),
        ("listen", "--forward-to", "x"),
    ],
)
def test_wrong_usage_has_status_2(command: CommandLine, arguments: tuple[str, ...]) -> None:
    outcome = command("webhooks", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1


def test_a_receiver_that_is_away_has_status_3(command: CommandLine) -> None:
    outcome = command("webhooks", "trigger", "document_created", "http://127.0.0.1:1/")
    assert (outcome.status, outcome.out) == (3, "")
