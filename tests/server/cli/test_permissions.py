"""`syncline permissions` against a real server."""

from __future__ import annotations

import pytest

from support.api import unique
from support.command import CommandLine
from support.server import RunningServer

IDENTITY = "ada/✓?#%"


@pytest.fixture
def command(command: CommandLine, server: RunningServer) -> CommandLine:
    """With the account's login from the data directory."""
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_DATA_DIR": str(server.data_dir)}
    return command


@pytest.mark.parametrize(
    ("type_", "group"), [("document", "doc"), ("list", "list"), ("map", "map")]
)
def test_permissions_are_set_read_listed_and_deleted(
    command: CommandLine, type_: str, group: str
) -> None:
    name = f"{unique('cli')}/ä"
    command(group, "create", name)
    given = command("permissions", "set", type_, name, IDENTITY, "--read", "--write").value
    assert (given["identity"], given["read"], given["write"]) == (IDENTITY, True, True)
    assert given["manage"] is False
    assert command("permissions", "get", type_, name, IDENTITY).value == given
    replaced = command("permissions", "set", type_, name, IDENTITY, "--manage").value
    assert (replaced["read"], replaced["manage"]) == (False, True)
    command("permissions", "set", type_, name, "bob", "--read")
    assert len(command("permissions", "list", type_, name, "--page-size=1").lines) == 2
    assert len(command("permissions", "list", type_, name, "--limit=1").lines) == 1
    assert command("permissions", "delete", type_, name, IDENTITY).value == {"removed": IDENTITY}
    assert command("permissions", "get", type_, name, IDENTITY).status == 1
    command(group, "rm", name, "--yes")


def test_a_table_says_yes_and_no(command: CommandLine) -> None:
    name = unique("cli")
    command("map", "create", name)
    command("permissions", "set", "map", name, "bob", "--read")
    shown = command("permissions", "list", "map", name, "-o", "table").out.split()
    assert shown == ["identity", "read", "write", "manage", "bob", "yes", "no", "no"]


@pytest.mark.parametrize(
    "arguments", [("set", "map", "m", "bob"), ("set", "stream", "s", "bob", "--read"), ("list",)]
)
def test_wrong_usage_has_status_2(command: CommandLine, arguments: tuple[str, ...]) -> None:
    assert command("permissions", *arguments).status == 2
