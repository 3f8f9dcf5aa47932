from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api import DocumentsApi
from support.command import CommandLine
from support.server import RunningServer
from support.transfer import emptied, environ_of


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


@pytest.fixture(scope="session")
def reused_servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningServer, RunningServer]]:
    """Two servers that are reused by one test after another; a test may stop them."""
    directory = tmp_path_factory.mktemp("reused")
    with (
        RunningServer(directory / "source", "--appendfsync=no") as source,
        RunningServer(directory / "target", "--appendfsync=no") as target,
    ):
        yield source, target


@pytest.fixture
def source(reused_servers: tuple[RunningServer, RunningServer]) -> RunningServer:
    """A server to read from; its default service has only documents of this test."""
    return emptied(reused_servers[0])


@pytest.fixture
def target(reused_servers: tuple[RunningServer, RunningServer]) -> RunningServer:
    """A server to write to; its default service has only documents of this test."""
    return emptied(reused_servers[1])


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
