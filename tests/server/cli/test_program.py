from __future__ import annotations

import pytest

from support.command import CommandLine


@pytest.mark.parametrize("arguments", [[], ["doc"]])
def test_a_group_alone_shows_its_help(command: CommandLine, arguments: list[str]) -> None:
    outcome = command(*arguments)
    assert outcome.status == 2
    assert outcome.err.startswith("Usage: syncline")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["serve"],
        ["token"],
        ["doc"],
        *(["doc", verb] for verb in ("get", "set", "update", "rm", "ls", "watch")),
        ["webhooks"],
        *(["webhooks", verb] for verb in ("list", "replay", "drop")),
    ],
)
def test_every_command_has_a_help(command: CommandLine, arguments: list[str]) -> None:
    outcome = command(*arguments, "--help")
    assert outcome.status == 0
    assert outcome.out.startswith(f"Usage: {' '.join(['syncline', *arguments])} ")


@pytest.mark.parametrize(
    "arguments", [["serv"], ["--colour"], ["token"], ["doc", "get"], ["doc", "get", "a", "b"]]
)
def test_wrong_usage_is_one_line_that_names_the_help(
    command: CommandLine, arguments: list[str]
) -> None:
    outcome = command(*arguments)
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("syncline: ")
    assert outcome.err.endswith(" --help)\n")
    assert outcome.err.count("\n") == 1


def test_the_help_of_doc_lists_the_exit_statuses(command: CommandLine) -> None:
    described = command("doc", "--help").out
    for status in ("0  ", "1  ", "2  ", "3  ", "130"):
        assert f"\n    {status}  " in described
