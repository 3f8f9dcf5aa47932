"""Commands find the server that runs on the data directory."""

from __future__ import annotations

import pytest

from support.command import CommandLine
from support.server import RunningServer, StartServer
from syncline_server.config.running_server import FILE_NAME


@pytest.mark.parametrize("options", [(), ("--workers=2",)])
def test_the_data_directory_names_the_server(
    command: CommandLine, fresh_server: StartServer, options: tuple[str, ...]
) -> None:
    server = fresh_server(*options)
    command.environ = {"SYNCLINE_DATA_DIR": str(server.data_dir)}
    assert command("status").value["url"] == server.url
    assert command("doc", "create").value["created_by"] == "cli"
    other = command("doc", "create", "--url", "http://127.0.0.1:1")
    assert other.status == 3
    server.stop()
    assert not (server.data_dir / FILE_NAME).exists()


def test_the_file_of_a_server_that_was_killed_is_stale(
    command: CommandLine, fresh_server: StartServer
) -> None:
    server = fresh_server()
    server.kill()
    assert (server.data_dir / FILE_NAME).exists()
    outcome = command("status", "--data-dir", str(server.data_dir))
    assert server.url not in outcome.err + outcome.out
    server.restart()
    assert command("status", "--data-dir", str(server.data_dir)).value["url"] == server.url


def test_plain_http_to_a_tls_port_says_so(
    command: CommandLine, secure_server: RunningServer
) -> None:
    plain = secure_server.url.replace("https", "http")
    command.environ = {"SYNCLINE_TOKEN": secure_server.token()}
    for arguments in (("doc", "get", "x"), ("doc", "watch", "x"), ("map", "watch", "x")):
        outcome = command(*arguments, "--url", plain)
        assert (outcome.status, outcome.out) == (3, "")
        assert f"this port speaks TLS: use {secure_server.url}" in outcome.err
        assert outcome.err.count("\n") == 1
