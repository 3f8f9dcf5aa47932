"""`syncline services` against a real server."""

from __future__ import annotations

import pytest

from support.command import CommandLine
from support.server import RunningServer


@pytest.fixture
def command(command: CommandLine, server: RunningServer) -> CommandLine:
    """With the account's login from the data directory."""
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_DATA_DIR": str(server.data_dir)}
    return command


def test_a_service_is_created_changed_listed_and_deleted(command: CommandLine) -> None:
    made = command("services", "create", "--name", "board games", "--acl-enabled").value
    assert (made["friendly_name"], made["acl_enabled"]) == ("board games", True)
    sid = made["sid"]
    url = "https://app.example.com/sync"
    changed = command(
        "services", "set", sid, "--webhook-url", url, "--no-acl-enabled", "--name", ""
    ).value
    assert (changed["webhook_url"], changed["acl_enabled"]) == (url, False)
    assert changed["friendly_name"] is None
    cleared = command("services", "set", sid, "--no-webhook-url", "--name", "board games").value
    assert cleared["webhook_url"] is None
    assert command("services", "get", sid).value == cleared
    assert command("services", "list", "--prefix", "board g", "--page-size=1").value == cleared
    assert len(command("services", "list", "--limit=1").lines) == 1

    refused = command("services", "delete", sid)
    assert (refused.status, refused.out) == (2, "")
    assert "--yes" in refused.err
    assert command("services", "delete", sid, "--yes").value == {"deleted": sid}
    assert "status 404" in command("services", "get", sid).err


def test_a_sid_may_be_chosen(command: CommandLine) -> None:
    sid = f"IS{'c11' * 10}00"
    assert command("services", "create", "--sid", sid).value["sid"] == sid
    again = command("services", "create", "--sid", sid)
    assert again.status == 1
    assert "status 409" in again.err
    command("services", "delete", sid, "--yes")


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "default"),
        ("set", "default", "--webhook-url", "https://x.example", "--no-webhook-url"),
        ("set", "default", "--reachability-debouncing-window", "5"),
        ("get",),
    ],
)
def test_wrong_usage_has_status_2(command: CommandLine, arguments: tuple[str, ...]) -> None:
    assert command("services", *arguments).status == 2


def test_a_token_in_the_environment_is_not_sent(
    command: CommandLine, server: RunningServer
) -> None:
    command.environ["SYNCLINE_TOKEN"] = server.token()
    assert command("services", "get", "default").status == 0


def test_without_credentials_it_says_what_to_set(command: CommandLine) -> None:
    outcome = command("services", "list", environ={"SYNCLINE_DATA_DIR": "nowhere"})
    assert outcome.status == 2
    assert "SYNCLINE_ACCOUNT_SID" in outcome.err
