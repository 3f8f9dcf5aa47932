"""The command, and with it a whole run."""

from __future__ import annotations

import resource

import pytest

from support.api import DocumentsApi
from support.command import CommandLine
from support.server import RunningServer, StartServer

QUICK = ("--duration=1", "--subscribers=6", "--writers=2")


@pytest.fixture(autouse=True)
def same_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command raises the limit of open files, which is the test run's own."""
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: None)


@pytest.fixture
def alone(command: CommandLine, fresh_server: StartServer) -> RunningServer:
    """A server that the command uses, with documents of none but this test."""
    server = fresh_server("--appendfsync=no")
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token("alice")}
    return server


def test_figures_as_json_and_nothing_stays(command: CommandLine, alone: RunningServer) -> None:
    figures = command("bench", *QUICK, "--json").value

    assert (figures["subscribers"], figures["writers"]) == (6, 2)
    assert figures["refused"] == figures["merged"] == 0
    assert 0 < figures["delay"]["median"] <= figures["delay"]["p99"] <= figures["delay"]["worst"]
    # Three subscribers have each of the two documents.
    expected = 3 * figures["events_per_second"]
    assert figures["deliveries_per_second"] == pytest.approx(expected, rel=1e-6)
    assert figures["writes_per_second"] > 0
    assert figures["connections_per_second"] > 0
    capacity = {each["events_per_second"]: each["subscribers"] for each in figures["capacity"]}
    assert capacity[1] == pytest.approx(10 * capacity[10], abs=10)
    with DocumentsApi(alone) as api:
        assert api.page()["documents"] == []


def test_a_table(command: CommandLine, alone: RunningServer) -> None:
    outcome = command("bench", *QUICK)

    assert outcome.status == 0, outcome.err
    for said in ("connections", "delay at", "deliveries a second", "writes", "subscribers at 10"):
        assert said in outcome.out


def test_a_server_that_is_not_there(command: CommandLine, server: RunningServer) -> None:
    outcome = command(
        "bench", "--url", "http://127.0.0.1:1", environ={"SYNCLINE_TOKEN": server.token()}
    )

    assert (outcome.status, outcome.out) == (3, "")
    assert outcome.err.count("\n") == 1


def test_a_token_that_the_server_refuses(into: CommandLine) -> None:
    outcome = into("bench", environ={"SYNCLINE_TOKEN": "no"})

    assert (outcome.status, outcome.out) == (1, "")
    assert "status 401" in outcome.err
    assert outcome.err.count("\n") == 1


def test_data_that_the_server_does_not_take(into: CommandLine) -> None:
    outcome = into("bench", "--size=100000", *QUICK)

    assert (outcome.status, outcome.out) == (1, "")
    assert "54006" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_basic_login_is_not_enough(command: CommandLine, server: RunningServer) -> None:
    user, password = server.basic
    command.environ = {"SYNCLINE_ACCOUNT_SID": user, "SYNCLINE_AUTH_TOKEN": password}

    outcome = command("bench")

    assert outcome.status == 2
    assert "SYNCLINE_API_KEY_SID" in outcome.err


def test_more_connections_than_files_may_be_open(
    into: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 1024))

    outcome = into("bench", "--subscribers=1000")

    assert (outcome.status, outcome.out) == (2, "")
    assert "allows 1024" in outcome.err


@pytest.mark.parametrize("option", ["--subscribers=0", "--writers=x", "--rate=0", "--size=1"])
def test_an_option_that_cannot_be(into: CommandLine, option: str) -> None:
    outcome = into("bench", option)

    assert (outcome.status, outcome.out) == (2, "")
    assert option.partition("=")[0] in outcome.err
    assert outcome.err.count("\n") == 1
