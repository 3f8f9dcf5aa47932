from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api import DocumentsApi
from support.command import CommandLine
from support.server import RunningServer, StartServer
from support.transfer import environ_of


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """Runs `syncline` in an empty directory, without variables but the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("SYNCLINE_"):
            monkeypatch.delenv(name)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def source(fresh_server: StartServer) -> RunningServer:
    """A server to read from, with documents of none but this test."""
    return fresh_server("--appendfsync=no")


@pytest.fixture
def target(fresh_server: StartServer) -> RunningServer:
    """Another one, to write to."""
    return fresh_server("--appendfsync=no")


@pytest.fixture
def there(source: RunningServer) -> Iterator[DocumentsApi]:
    """The documents of the source."""
    with DocumentsApi(source) as api:
        yield api


@pytest.fixture
def here(target: RunningServer) -> Iterator[DocumentsApi]:
    """The documents of the target."""
    with DocumentsApi(target) as api:
        yield api


@pytest.fixture
def between(command: CommandLine, source: RunningServer, target: RunningServer) -> CommandLine:
    """The command line, with the logins of both servers and their URLs."""
    command.environ = environ_of(source, target)
    return command


@pytest.fixture
def into(command: CommandLine, server: RunningServer) -> CommandLine:
    """The command line, with the shared server's URL, and a token of alice."""
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token("alice")}
    return command


@pytest.fixture
def shared(server: RunningServer) -> Iterator[DocumentsApi]:
    """The documents of the shared server."""
    with DocumentsApi(server) as api:
        yield api
