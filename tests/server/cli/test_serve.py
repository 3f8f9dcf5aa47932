"""`syncline serve`: how it starts, and how it refuses to."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from support.server import START_TIMEOUT, SYNCLINE, StartServer, refused_start
from syncline_protocol import __version__

pytestmark = pytest.mark.usefixtures("installed_command")


def test_it_says_where_it_is_ready(fresh_server: StartServer) -> None:
    server = fresh_server("--demo")
    assert server.ready_line == f"Syncline {__version__} is ready at {server.url}\n"
    assert server.process.stdout is not None
    assert server.process.stdout.readline().decode() == f"Demo: {server.url}/demo\n"


@pytest.mark.parametrize("on_path", [True, False])
def test_the_first_start_names_the_command_that_a_shell_finds(
    fresh_server: StartServer, on_path: bool
) -> None:
    path = f"{SYNCLINE.parent}:{os.environ['PATH']}" if on_path else "/usr/bin:/bin"
    server = fresh_server(environ={"PATH": path})
    assert server.process.stdout is not None
    lines = [server.process.stdout.readline().decode() for _ in range(5)]
    command = "syncline" if on_path else str(SYNCLINE.relative_to(Path.cwd()))
    assert lines[4].split()[:4] == ["A", "token", command, "token"]


def test_the_data_directory_is_its_owners_alone(fresh_server: StartServer, tmp_path: Path) -> None:
    fresh_server(data_dir=tmp_path / "new" / "data")
    assert stat.S_IMODE((tmp_path / "new" / "data").stat().st_mode) == 0o700
    credentials = tmp_path / "new" / "data" / "credentials.json"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600


def test_credentials_are_kept(fresh_server: StartServer) -> None:
    server = fresh_server()
    first = server.credentials
    server.restart()
    assert server.credentials == first


def test_control_c_ends_it_in_order(fresh_server: StartServer) -> None:
    server = fresh_server()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(START_TIMEOUT) == 130
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "70000"], "--port"),
        (["--port", "http"], "--port"),
        (["--appendfsync", "sometimes"], "'always', 'everysec', 'no'"),
        (["--ping-interval", "nan"], "--ping-interval must be from 1 to 300"),
        (["--redis-url", "http://h"], "--redis-url must be a URL that begins with redis://"),
        (["--public-url", "h"], "--public-url must be a URL that begins with http://"),
        (["--log-level"], "--log-level"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    tmp_path: Path, options: list[str], said: str
) -> None:
    assert said in refused_start("--data-dir", tmp_path / "data", *options)
    assert not (tmp_path / "data").exists()


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    line = refused_start("--data-dir", tmp_path, SYNCLINE_PORT="tcp://10.0.0.1:8040")
    assert "SYNCLINE_PORT" in line


def test_half_a_pair_of_credentials_is_named(tmp_path: Path) -> None:
    line = refused_start("--data-dir", tmp_path, SYNCLINE_AUTH_TOKEN="secret")
    assert line == "syncline: SYNCLINE_ACCOUNT_SID and SYNCLINE_AUTH_TOKEN must be set together"


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "--data-dir" in refused_start("--data-dir", tmp_path / "file")
    line = refused_start("--data-dir", tmp_path / "file" / "data")
    assert line.endswith("cannot be created: Not a directory")


def test_a_data_directory_in_use(fresh_server: StartServer) -> None:
    server = fresh_server()
    assert str(server.data_dir) in refused_start("--data-dir", server.data_dir, "--port", "0")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in refused_start("--data-dir", tmp_path / "data", "--port", port)
