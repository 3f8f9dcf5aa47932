"""The help: sections, examples, colour."""

from __future__ import annotations

import re

from support.command import CommandLine
from support.server import clean_environ
from support.terminal import on_terminal
from syncline_server.cli.program import _PLACES, _SECTIONS


def test_every_command_is_in_one_section(command: CommandLine) -> None:
    names = [name for names in _SECTIONS.values() for name in names]
    assert sorted(names) == sorted(_PLACES)
    shown = command("--help").out
    for title in _SECTIONS:
        assert f"\n{title}:\n" in shown


def test_options_for_server_and_output_stand_apart(command: CommandLine) -> None:
    shown = command("doc", "get", "--help").out
    sections = [line for line in shown.splitlines() if re.fullmatch(r"\S.*:", line)]
    assert sections == ["Options:", "Server and login:", "Output:"]
    assert shown.index("Server and login:") < shown.index("--url") < shown.index("Output:")


def test_groups_have_examples(command: CommandLine) -> None:
    for group in ("doc", "list", "map", "stream", "services", "permissions", "webhooks"):
        shown = command(group, "--help").out
        assert f"\nExamples:\n  syncline {group} " in shown


def test_a_terminal_gets_colour_and_a_pipe_none(command: CommandLine) -> None:
    environ = clean_environ({})
    status, shown = on_terminal("doc", "--help", environ=environ)
    assert status == 0
    assert "\x1b[1m" in shown and "\x1b[36mget" in shown
    assert "\x1b" not in command("doc", "--help").out
    assert "\x1b" not in on_terminal("doc", "-h", environ=environ | {"NO_COLOR": "1"})[1]
