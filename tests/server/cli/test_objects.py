"""`syncline list`, `map` and `stream` against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.api import unique
from support.command import CommandLine
from support.server import RunningServer, clean_environ
from support.terminal import on_terminal

KEY = "a/b ü?#%"


@pytest.fixture
def command(into: CommandLine) -> CommandLine:
    """With the shared server's URL, and a token of alice."""
    return into


@pytest.fixture
def name() -> str:
    """A unique name that needs care in a URL."""
    return f"{unique('cli')}/✓?#%"


@pytest.mark.parametrize("type_", ["list", "map", "stream"])
def test_an_object_is_created_read_and_removed(command: CommandLine, name: str, type_: str) -> None:
    created = command(type_, "create", name, "--ttl=60").value
    assert created["unique_name"] == name
    assert created["created_by"] == "alice"
    assert created["date_expires"] is not None
    assert command(type_, "get", name).value == created

    permanent = command(type_, "ttl", created["sid"], "0").value
    assert permanent["date_expires"] is None
    listed = command(type_, "ls", "--page-size=2").lines
    assert permanent in listed
    assert command(type_, "rm", name, "--yes").value == {"removed": name}
    refused = command(type_, "get", name)
    assert refused.status == 1
    assert "status 404" in refused.err


@pytest.mark.parametrize("type_", ["list", "map", "stream"])
def test_an_object_needs_no_name(command: CommandLine, type_: str) -> None:
    created = command(type_, "create").value
    assert created["unique_name"] is None
    assert command(type_, "create", "").status == 2


def test_items_of_a_map(command: CommandLine, name: str, tmp_path: Path) -> None:
    command("map", "create", name)
    added = command("map", "add", name, KEY, '{"n": 1}', "--ttl=60").value
    assert (added["key"], added["data"]) == (KEY, {"n": 1})
    assert added["date_expires"] is not None
    assert command("map", "get", name, KEY).value == added
    assert command("map", "add", name, KEY, "{}").status == 1

    (tmp_path / "data.json").write_text('{"n": 2}')
    changed = command("map", "set", name, KEY, "@data.json", "--if-match", added["revision"]).value
    assert changed["data"] == {"n": 2}
    stale = command("map", "set", name, KEY, "{}", "--if-match", added["revision"])
    assert stale.status == 1
    assert "status 412" in stale.err
    assert command("map", "update", name, KEY, '{"m": 3}').value["data"] == {"n": 2, "m": 3}
    assert command("map", "set", name, KEY, "--ttl=0").value["date_expires"] is None

    put = command("map", "set", name, "new", "-", stdin=b'{"n": 4}').value
    assert put["data"] == {"n": 4}
    assert command("map", "set", name, "other", "{}", "--no-create").status == 1
    assert [item["key"] for item in command("map", "ls", name, "--page-size=1").lines] == [
        KEY,
        "new",
    ]
    assert command("map", "rm", name, KEY, "--yes", "--if-match", added["revision"]).status == 1
    assert command("map", "rm", name, KEY, "--yes").value == {"removed": KEY}
    assert len(command("map", "ls", name).lines) == 1


def test_items_of_a_list(command: CommandLine, name: str) -> None:
    command("list", "create", name)
    for verb, number in (("push", 0), ("add", 1), ("push", 2)):
        item = command("list", verb, name, f'{{"n": {number}}}').value
        assert item["index"] == number
    assert command("list", "set", name, "1", '{"n": 7}').value["data"] == {"n": 7}
    assert command("list", "update", name, "1", '{"m": 8}').value["data"] == {"n": 7, "m": 8}
    assert command("list", "rm", name, "0", "--yes").status == 0

    def indexes(*options: str) -> list[int]:
        return [item["index"] for item in command("list", "ls", name, *options).lines]

    assert indexes("--page-size=1") == [1, 2]
    assert indexes("--order=desc") == [2, 1]
    assert indexes("--from=1", "--bounds=exclusive") == [2]
    assert command("list", "set", name, "0", "{}").status == 1


def test_a_message_is_published(command: CommandLine, name: str) -> None:
    command("stream", "create", name)
    published = command("stream", "publish", name, '{"x": 1}').value
    assert published["data"] == {"x": 1}
    assert published["sid"].startswith("TZ")
    assert command("stream", "publish", name, "[]").status == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("map", "set", "m", "k"),
        ("map", "set", "m", "k", "--ttl=1", "--create"),
        ("map", "rm", "m", "--if-match=1"),
        ("map", "ls", "--order=desc"),
        ("list", "set", "l", "0"),
        ("list", "push", "l", "no JSON"),
        ("stream", "ttl", "s", "soon"),
    ],
)
def test_wrong_usage_has_status_2(command: CommandLine, arguments: tuple[str, ...]) -> None:
    assert command(*arguments).status == 2


def test_a_terminal_shows_tables(command: CommandLine, server: RunningServer, name: str) -> None:
    command("map", "create", name)
    command("map", "add", name, "the key", '{"shown": 1}')
    environ = clean_environ(command.environ)
    status, items = on_terminal("map", "ls", name, environ=environ)
    assert status == 0
    assert "the key" in items
    assert "shown" in items
    status, maps = on_terminal("map", "ls", environ=environ)
    assert status == 0
    assert "expires" in maps
