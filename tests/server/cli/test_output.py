"""What people see: the commands on a terminal."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest

from support.command import CommandLine
from support.server import RunningServer, clean_environ
from support.terminal import on_terminal

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """Runs `syncline doc …` on a terminal, against the shared server."""

    def __init__(self, server: RunningServer) -> None:
        self._environ = clean_environ(
            {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token("alice")}
        )

    def __call__(
        self, *arguments: str, on_output: Callable[[bytes], None] = lambda written: None
    ) -> str:
        """What it wrote; it must have succeeded."""
        status, written = on_terminal("doc", *arguments, environ=self._environ, on_output=on_output)
        assert status == 0, written
        return written


@pytest.fixture
def terminal(server: RunningServer) -> Terminal:
    return Terminal(server)


@pytest.fixture
def name() -> str:
    return f"cli {uuid.uuid4().hex[:12]}"


def plain(written: str) -> str:
    return re.sub(" +\n", "\n", COLOUR.sub("", written))


def test_a_document_is_shown_in_colour_with_its_properties(terminal: Terminal, name: str) -> None:
    written = terminal("set", name, '{"color": "rød", "likes": [1]}')
    assert COLOUR.search(written)
    shown = plain(written)
    assert re.search(rf"unique_name +{name}\n", shown)
    assert re.search(r"revision +\d+\n", shown)
    assert re.search(r"date_expires +–\n", shown)
    assert "links" not in shown
    assert '  "color": "rød",\n  "likes": [\n    1\n  ]\n}' in shown
    assert plain(terminal("get", name)) == shown


def test_a_listing_is_a_table(terminal: Terminal, name: str) -> None:
    terminal("set", name, "{}")
    terminal("set", f"{name} with ttl", "{}", "--ttl", "600")
    shown = plain(terminal("ls"))
    assert re.search(r"document +revision +updated +expires", shown)
    assert re.search(rf"{name} +\d+ +\S+Z +never", shown)
    assert re.search(rf"{name} with ttl +\d+ +\S+Z +\S+Z", shown)


def test_a_removal_is_reported(terminal: Terminal, name: str) -> None:
    terminal("set", name, "{}")
    assert plain(terminal("rm", name, "--yes")) == f"removed {name}\n"


def test_events_are_shown_under_their_names(terminal: Terminal, name: str) -> None:
    terminal("set", name, '{"first": true}')
    steps = {b"first": ("set", name, '{"second": true}'), b"second": ("rm", name, "--yes")}

    def take_next_step(written: bytes) -> None:
        for seen in [seen for seen in steps if seen in written]:
            terminal(*steps.pop(seen))

    shown = plain(terminal("watch", "--full", name, on_output=take_next_step))
    headings = [line.split()[0] for line in shown.splitlines() if line.endswith("─")]
    assert headings == ["state", "updated", "removed"]
    assert shown.index("state ─") < shown.index('"first"') < shown.index("updated ─")
    assert shown.index("updated ─") < shown.index('"second"') < shown.index("removed ─")
    assert re.search(r"removed_by +alice", shown)


def test_neither_names_nor_data_command_the_terminal(
    terminal: Terminal, command: CommandLine, name: str
) -> None:
    hostile = f"{name} [red]\x1b[2J\u009b\u202e"
    written = terminal("set", hostile, '{"text": "\\u001b[2J\u009b\u202e[/]"}')
    written += terminal("ls") + terminal("rm", hostile, "--yes")
    shown = plain(written)
    assert "[red]\\u001b[2J\\u009b\\u202e" in shown
    assert '"\\u001b[2J\\u009b\\u202e[/]"' in shown
    assert "\x1b[2J" not in written and "\u009b" not in written and "\u202e" not in written
