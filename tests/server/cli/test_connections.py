"""`syncline connections` and `tail` against a real server."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.api import unique
from support.command import CommandLine
from support.server import SYNCLINE, RunningServer, clean_environ
from support.socket import native_socket
from syncline_protocol.native import Close


@pytest.fixture
def command(command: CommandLine, server: RunningServer) -> CommandLine:
    """With the account's login from the data directory."""
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_DATA_DIR": str(server.data_dir)}
    return command


async def test_connections_are_listed_and_closed(
    command: CommandLine, server: RunningServer
) -> None:
    identity = unique("ada")
    async with native_socket(server, server.token(identity)) as socket:
        run = asyncio.to_thread
        found = (await run(command, "connections", "list", "--prefix", identity)).value
        assert (found["identity"], found["wire"]) == (identity, "native")
        shown = await run(command, "connections", "list", "--prefix", identity, "-o", "table")
        assert found["id"] in shown.out and identity in shown.out
        closed = await run(command, "connections", "close", found["id"])
        assert closed.value == {"closed": found["id"]}
        assert (await socket.closed())[0] == Close.GOING_AWAY
        again = await run(command, "connections", "close", found["id"])
        assert (again.status, "status 404" in again.err) == (1, True)
    assert command("connections", "list", "--service", "nothing").status == 1


@contextmanager
def tailing(command: CommandLine, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A running `syncline tail` that follows the events already."""
    with subprocess.Popen(
        [SYNCLINE, "tail", *options],
        env=clean_environ(command.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("following")
        try:
            yield process
        finally:
            process.kill()


def test_events_of_all_objects_are_followed(command: CommandLine) -> None:
    name = unique("cli")
    sid = command("map", "create", name).value["sid"]
    with tailing(command, "--object", sid) as process:
        assert process.stdout is not None
        command("map", "add", name, "k", '{"n": 1}')
        event = json.loads(process.stdout.readline())
        assert (event["event"], event["changes"][0]["key"]) == ("items", "k")
        command("permissions", "set", "map", name, "bob", "--read")
        event = json.loads(process.stdout.readline())
        assert (event["event"], event["identity"], event["read"]) == ("permission", "bob", True)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130


def test_a_table_has_a_line_for_each_event(command: CommandLine) -> None:
    name = unique("cli")
    sid = command("doc", "create", name, "--data", '{"n": 1}').value["sid"]
    with tailing(command, "--object", sid, "-o", "table") as process:
        assert process.stdout is not None
        command("doc", "increment", name, "n")
        words = process.stdout.readline().split()[1:]
        assert words == ["updated", name, "by", "cli", '{"n":2}']
        command("doc", "rm", name, "--yes")
        assert process.stdout.readline().split()[1:] == ["removed", name, "by", "cli"]


@pytest.mark.parametrize("options", [("--type", "documents"), ("--nothing",)])
def test_wrong_usage_has_status_2(command: CommandLine, options: tuple[str, ...]) -> None:
    assert command("tail", *options).status == 2


def test_what_the_server_refuses_has_status_1(command: CommandLine) -> None:
    outcome = command("tail", "--service", "nothing")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
