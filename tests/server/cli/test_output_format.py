"""`-o table|json|yaml` of the commands that print."""

from __future__ import annotations

import json
import sys

import click
import pytest
import yaml

from support.api import unique
from support.command import CommandLine
from support.server import RunningServer, clean_environ
from support.terminal import on_terminal
from syncline_server.cli.program import program


@pytest.fixture
def command(into: CommandLine) -> CommandLine:
    """With the shared server's URL, and a token of alice."""
    return into


def test_every_format_has_the_same_values(command: CommandLine) -> None:
    name = f"{unique('cli')} ✓"
    made = command("doc", "set", name, '{"n": [1, null, "ä: [x]"], "t": "2026-01-01"}').value
    assert yaml.safe_load(command("doc", "get", name, "-o", "yaml").out) == made
    assert command("doc", "get", name, "-o", "json").value == made
    assert command("doc", "get", name, environ={"SYNCLINE_OUTPUT": "json"}).value == made
    table = command("doc", "get", name, "-o", "table").out
    assert made["revision"] in table and "\x1b" not in table
    assert "removed: " in command("doc", "rm", name, "--yes", "-o", "yaml").out


def test_a_listing_in_yaml_is_one_sequence(command: CommandLine) -> None:
    name = unique("cli")
    command("map", "create", name)
    assert yaml.safe_load(command("map", "ls", name, "-o", "yaml").out) == []
    for key in ("a", "b", "c"):
        command("map", "add", name, key, "{}")
    listed = command("map", "ls", name, "--page-size=2").lines
    assert yaml.safe_load(command("map", "ls", name, "--page-size=2", "-o", "yaml").out) == listed
    table = command("map", "ls", name, "-o", "table").out
    assert [line.split()[0] for line in table.splitlines()] == ["item", "a", "b", "c"]


def test_a_terminal_prints_json_where_it_is_asked_for(
    command: CommandLine, server: RunningServer
) -> None:
    environ = clean_environ(command.environ)
    status, written = on_terminal("doc", "create", "-o", "json", environ=environ)
    assert status == 0
    assert json.loads(written)["unique_name"] is None


def test_without_its_library_yaml_is_refused(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    outcome = command("doc", "create", "-o", "yaml")
    assert (outcome.status, outcome.out) == (2, "")
    assert "syncline-server[yaml]" in outcome.err


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        each = group.get_command(context, name)
        if isinstance(each, click.Group):
            found += _commands(each, (*path, name))
        else:
            found.append((*path, name))
    return found


SILENT = {("bench",), ("verify",), ("serve",), ("completion",)}
"""Commands that print no values, or have an option of their own."""


@pytest.mark.parametrize("path", _commands(program), ids=" ".join)
def test_every_command_explains_itself(command: CommandLine, path: tuple[str, ...]) -> None:
    shown = command(*path, "-h")
    assert (shown.status, shown.err) == (0, "")
    assert shown.out == command(*path, "--help").out
    assert ("-o, --output" in shown.out) is (path not in SILENT)
    if path[0] not in ("serve", "config"):
        for status in ("0  ", "1  ", "2  ", "3  ", "130"):
            assert f"\n    {status}  " in shown.out, shown.out
