"""`syncline doc watch`, as a process of its own, against a real server."""

from __future__ import annotations

import signal
import uuid

import pytest

from support.command import CommandLine
from support.server import RunningServer, StartServer
from support.watching import watching
from syncline_server.cli.output import FIELDS


@pytest.fixture
def name() -> str:
    return f"cli/{uuid.uuid4().hex}"


@pytest.fixture
def command(command: CommandLine, server: RunningServer) -> CommandLine:
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token("alice")}
    return command


def test_the_state_then_each_change_then_the_removal(
    command: CommandLine, server: RunningServer, name: str
) -> None:
    created = command("doc", "set", name, '{"n": 1}').value
    with watching(server, "doc", name) as watch:
        state = watch.next_line()
        assert state["event"] == "state"
        assert tuple(state["document"]) == FIELDS
        assert state["document"]["data"] == {"n": 1}
        assert state["document"]["revision"] == created["revision"]

        written = command("doc", "set", name, '{"n": 2}', "--ttl", "600").value
        updated = watch.next_line()
        assert updated["event"] == "updated"
        assert updated["document"]["data"] == {"n": 2}
        assert updated["document"]["revision"] == written["revision"]
        assert updated["document"]["previous_revision"] == created["revision"]
        assert updated["document"]["updated_by"] == "alice"
        # REST returns whole seconds, the socket milliseconds.
        assert updated["document"]["date_expires"][:19] == written["date_expires"][:19]

        command("doc", "rm", name, "--yes")
        removed = watch.next_line()
        assert removed["event"] == "removed"
        assert removed["document"]["sid"] == created["sid"]
        assert removed["document"]["unique_name"] == name
        assert removed["document"]["removed_by"] == "alice"
        assert removed["document"]["expired"] is False
        assert watch.end() == (0, "", "")


def test_an_expiry_is_a_removal(command: CommandLine, server: RunningServer, name: str) -> None:
    command("doc", "set", name, "{}")
    with watching(server, "doc", name) as watch:
        assert watch.next_line()["event"] == "state"
        command("doc", "set", name, "--ttl", "1")
        assert watch.next_line()["event"] == "updated"
        removed = watch.next_line()
        assert (removed["event"], removed["document"]["expired"]) == ("removed", True)
        assert watch.end() == (0, "", "")


def test_control_c_ends_it_quietly(command: CommandLine, server: RunningServer, name: str) -> None:
    command("doc", "set", name, "{}")
    with watching(server, "doc", name) as watch:
        watch.next_line()
        watch.process.send_signal(signal.SIGINT)
        # The newline ends the line on which a terminal shows ^C.
        assert watch.end() == (130, "", "\n")


def test_a_reader_that_goes_away_ends_it_quietly(
    command: CommandLine, server: RunningServer, name: str
) -> None:
    command("doc", "set", name, "{}")
    with watching(server, "doc", name) as watch:
        watch.next_line()
        assert watch.process.stdout is not None
        watch.process.stdout.close()
        command("doc", "set", name, '{"n": 1}')
        assert watch.process.wait() == 1
        assert watch.process.stderr is not None
        assert watch.process.stderr.read() == ""


def test_it_goes_on_after_a_crash_of_the_server(
    command: CommandLine, fresh_server: StartServer, name: str
) -> None:
    server = fresh_server()
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token("alice")}
    command("doc", "set", name, '{"n": 1}')
    with watching(server, "doc", name) as watch:
        assert watch.next_line()["document"]["data"] == {"n": 1}
        server.kill()
        assert watch.next_message().startswith("connection lost")
        server.restart()
        command("doc", "set", name, '{"n": 2}')
        assert watch.next_line()["document"]["data"] == {"n": 2}
        notes = [watch.next_message()]
        while notes[-1].startswith("connection lost"):  # an attempt before the server was back
            notes.append(watch.next_message())
        assert notes[-1] == "connected again\n"


def test_what_does_not_exist_is_not_created(
    command: CommandLine, server: RunningServer, name: str
) -> None:
    outcome = command("doc", "watch", name)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.endswith("(code 54300, status 404)\n")


def test_a_basic_login_is_not_enough(command: CommandLine, server: RunningServer) -> None:
    user, password = server.basic
    command.environ = {"SYNCLINE_ACCOUNT_SID": user, "SYNCLINE_AUTH_TOKEN": password}
    outcome = command("doc", "watch", "x")
    assert outcome.status == 2
    assert "SYNCLINE_API_KEY_SID" in outcome.err


def test_a_server_that_is_not_there(command: CommandLine) -> None:
    outcome = command("doc", "watch", "x", "--url", "http://127.0.0.1:1")
    assert (outcome.status, outcome.out) == (3, "")
    assert outcome.err.count("\n") == 1
