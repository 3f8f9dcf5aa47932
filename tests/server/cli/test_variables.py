"""Variables that look like settings and are none: a warning, with the name that was meant."""

from __future__ import annotations

import pytest

from support.command import CommandLine
from support.server import StartServer
from syncline_server.cli.program import program
from syncline_server.cli.variables import unknown_variables


def test_a_misspelt_variable_is_named_with_the_one_that_was_meant() -> None:
    [sentence] = unknown_variables(["SYNCLINE_REDIS_ULR", "PATH", "SYNCLINE_PORT"], program)
    assert "SYNCLINE_REDIS_ULR" in sentence and "did you mean SYNCLINE_REDIS_URL?" in sentence


def test_one_that_is_like_none_is_named_alone() -> None:
    [sentence] = unknown_variables(["SYNCLINE_FROBNICATE"], program)
    assert "SYNCLINE_FROBNICATE" in sentence and "mean" not in sentence


@pytest.mark.parametrize(
    "name",
    [
        "SYNCLINE_ACCOUNT_SID",
        "SYNCLINE_API_KEYS",
        "SYNCLINE_MASTER_KEY",
        "SYNCLINE_FROM_AUTH_TOKEN",
        "SYNCLINE_FROM_API_KEY_SECRET",
        "SYNCLINE_TOKEN",
        "SYNCLINE_CA_CERT",
        "SYNCLINE_PUBLISH",
        "SYNCLINE_DEMO",
        "SYNCLINE_TRUSTED_PROXIES",
    ],
)
def test_those_that_some_command_reads_are_known(name: str) -> None:
    assert unknown_variables([name], program) == []


def test_a_server_says_it_in_its_log_and_no_value(fresh_server: StartServer) -> None:
    server = fresh_server("--workers=2", environ={"SYNCLINE_AUTH_TOKN": "what-is-secret"})
    log = server.log.read_text()
    assert log.count("did you mean SYNCLINE_AUTH_TOKEN?") == 1
    assert "what-is-secret" not in log


def test_another_command_says_it_on_stderr(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCLINE_SERVCE", "default")
    outcome = command("doc", "ls")
    assert "syncline: warning: the variable SYNCLINE_SERVCE is unknown" in outcome.err
