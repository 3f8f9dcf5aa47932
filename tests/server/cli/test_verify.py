"""The command; what a run does is tested with `verify` itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command import CommandLine
from support.server import RunningServer, clean_environ
from support.store import Store
from support.terminal import on_terminal


def test_a_terminal_gets_a_report(server: RunningServer, tmp_path: Path) -> None:
    environ = {"SYNCLINE_URL": server.url, "SYNCLINE_DATA_DIR": str(server.data_dir)}

    status, written = on_terminal(
        "verify",
        "--duration=1",
        "--faults=none",
        "--clients=1",
        f"--output={tmp_path / 'new' / 'place'}",
        environ=clean_environ(environ),
    )

    # So short a run can show too little to judge.
    verdicts = {0: "every promise was kept", 4: "no promise was seen broken"}
    assert status in verdicts, written
    assert "No acknowledged write was lost" in written
    assert verdicts[status] in written
    assert {path.name for path in (tmp_path / "new" / "place").iterdir()} == {
        "history.jsonl",
        "timeline.svg",
        "verdict.json",
    }


def test_a_server_that_is_not_there(command: CommandLine, server: RunningServer) -> None:
    outcome = command(
        "verify", "--url", "http://127.0.0.1:1", environ={"SYNCLINE_TOKEN": server.token()}
    )

    assert (outcome.status, outcome.out) == (3, "")
    assert outcome.err.count("\n") == 1


def test_a_token_that_the_server_refuses(command: CommandLine, server: RunningServer) -> None:
    outcome = command("verify", "--url", server.url, environ={"SYNCLINE_TOKEN": "no"})

    assert (outcome.status, outcome.out) == (1, "")
    assert "status 401" in outcome.err


def test_a_redis_that_is_not_there(command: CommandLine, server: RunningServer) -> None:
    outcome = command(
        "verify",
        f"--url={server.url}",
        "--types=maps",
        "--redis-url=redis://127.0.0.1:1",
        environ={"SYNCLINE_TOKEN": server.token()},
    )

    assert (outcome.status, outcome.out) == (3, "")
    assert "cannot be reached: check --redis-url" in outcome.err
    assert outcome.err.count("\n") == 1


def test_another_servers_redis(command: CommandLine, server: RunningServer, store: Store) -> None:
    outcome = command(
        "verify",
        f"--url={server.url}",
        "--types=maps",
        f"--redis-url={store.url}",
        environ={"SYNCLINE_TOKEN": server.token()},
    )

    assert (outcome.status, outcome.out) == (3, "")
    assert "is not the Redis of this server" in outcome.err


def test_a_basic_login_is_not_enough(command: CommandLine, server: RunningServer) -> None:
    user, password = server.basic
    command.environ = {"SYNCLINE_ACCOUNT_SID": user, "SYNCLINE_AUTH_TOKEN": password}

    outcome = command("verify")

    assert outcome.status == 2
    assert "SYNCLINE_API_KEY_SID" in outcome.err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--faults=cut,flood", "blackhole"),
        ("--duration=0", "duration"),
        ("--documents=1", "documents"),
        ("--output=/dev/null/x", "cannot be created"),
        ("--types=maps,sets", "streams"),
        ("--redis-url=mysql://x", "--redis-url cannot be used"),
    ],
)
def test_an_option_that_cannot_be(
    command: CommandLine, server: RunningServer, option: str, said: str
) -> None:
    outcome = command("verify", option, environ={"SYNCLINE_TOKEN": server.token()})

    assert (outcome.status, outcome.out) == (2, "")
    assert said in outcome.err
