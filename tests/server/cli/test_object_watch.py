"""`syncline list|map|stream watch`, as a process of its own, against a real server."""

from __future__ import annotations

import signal
import uuid

import pytest

from support.command import CommandLine
from support.server import RunningServer, StartServer
from support.watching import watching


@pytest.fixture
def name() -> str:
    return f"cli/{uuid.uuid4().hex}"


@pytest.fixture
def command(command: CommandLine, server: RunningServer) -> CommandLine:
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token("alice")}
    return command


def test_a_map_its_changes_and_its_removal(
    command: CommandLine, server: RunningServer, name: str
) -> None:
    command("map", "create", name)
    command("map", "add", name, "a", '{"n": 1}')
    with watching(server, "map", name) as watch:
        state = watch.next_line()
        assert (state["event"], state["map"]["unique_name"]) == ("state", name)
        assert [each["data"] for each in state["items"]] == [{"n": 1}]
        command("map", "set", name, "a", '{"n": 2}')
        event = watch.next_line()
        assert (event["event"], event["changes"][0]["data"]) == ("items", {"n": 2})
        command("map", "rm", name, "a", "--yes")
        assert watch.next_line()["changes"][0]["kind"] == "removed"
        command("map", "rm", name, "--yes")
        assert watch.next_line()["event"] == "removed"
        assert watch.end() == (0, "", "")


@pytest.mark.parametrize("part", [("--prefix", "b"), ("--key", "b1", "--key", "b2")])
def test_a_part_of_a_map(
    command: CommandLine, server: RunningServer, name: str, part: tuple[str, ...]
) -> None:
    command("map", "create", name)
    for key in ("a1", "b1"):
        command("map", "add", name, key, "{}")
    with watching(server, "map", name, *part) as watch:
        assert [each["key"] for each in watch.next_line()["items"]] == ["b1"]
        for key in ("a2", "b2"):
            command("map", "add", name, key, "{}")
        assert watch.next_line()["changes"][0]["key"] == "b2"


def test_a_list_without_a_page(command: CommandLine, server: RunningServer, name: str) -> None:
    command("list", "create", name)
    command("list", "push", name, "{}")
    with watching(server, "list", name, "--items", "0") as watch:
        assert set(watch.next_line()) == {"event", "list"}
        command("list", "push", name, "{}")
        assert watch.next_line()["changes"][0]["index"] == 1


def test_messages_of_a_stream(command: CommandLine, server: RunningServer, name: str) -> None:
    command("stream", "create", name)
    with watching(server, "stream", name) as watch:
        assert watch.next_line()["event"] == "state"
        command("stream", "publish", name, '{"n": 1}')
        message = watch.next_line()
        assert (message["event"], message["message"]["data"]) == ("message", {"n": 1})
        watch.process.send_signal(signal.SIGINT)
        assert watch.end() == (130, "", "\n")


def test_it_goes_on_where_it_was_after_a_crash_of_the_server(
    command: CommandLine, fresh_server: StartServer, name: str
) -> None:
    server = fresh_server()
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token("alice")}
    command("map", "create", name)
    command("map", "add", name, "a", "{}")
    with watching(server, "map", name) as watch:
        watch.next_line()
        server.kill()
        assert watch.next_message().startswith("connection lost")
        server.restart()
        command("map", "add", name, "b", "{}")
        changed = watch.next_line()
        assert [each["key"] for each in changed["changes"]] == ["b"]


def test_what_does_not_exist_is_not_created(command: CommandLine, name: str) -> None:
    outcome = command("map", "watch", name)
    assert (outcome.status, outcome.out) == (1, "")
    assert "status 404" in outcome.err


def test_a_server_that_is_not_there(command: CommandLine) -> None:
    outcome = command("stream", "watch", "x", "--url", "http://127.0.0.1:1")
    assert (outcome.status, outcome.out) == (3, "")
    assert outcome.err.count("\n") == 1
