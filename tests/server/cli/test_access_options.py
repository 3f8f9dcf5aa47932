"""The options that all commands share which talk to a server."""

from __future__ import annotations

import pytest

from support.api import unique
from support.certificates import CertificateAuthority
from support.command import CommandLine
from support.server import RunningServer


@pytest.fixture
def command(command: CommandLine, secure_server: RunningServer) -> CommandLine:
    """With the URL of a server whose authority nobody knows, and a token of alice."""
    token = secure_server.token("alice")
    command.environ = {"SYNCLINE_URL": secure_server.url, "SYNCLINE_TOKEN": token}
    return command


def test_a_server_is_believed_by_the_authority_that_is_named(
    command: CommandLine, authority: CertificateAuthority
) -> None:
    name, option = unique(), f"--ca-cert={authority.certificate}"
    created = command("doc", "set", option, name, '{"n": 1}').value
    environ = {"SYNCLINE_CA_CERT": str(authority.certificate)}
    assert command("doc", "get", name, environ=environ).value == created
    assert command("export", option, "-").status == 0


def test_so_is_one_of_which_a_document_is_watched(
    command: CommandLine, authority: CertificateAuthority
) -> None:
    outcome = command("doc", "watch", f"--ca-cert={authority.certificate}", unique())
    # It has connected: there is no such document.
    assert (outcome.status, outcome.out) == (1, "") and "54300" in outcome.err


@pytest.mark.parametrize("verb", ["get", "watch"])
def test_nobody_else_is(command: CommandLine, verb: str) -> None:
    outcome = command("doc", verb, "name")
    assert outcome.status == 3
    [line] = outcome.err.splitlines()
    assert "cannot be reached" in line and "certificate verify failed" in line
