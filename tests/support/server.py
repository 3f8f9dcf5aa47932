"""A real server for tests: `syncline serve` in a process of its own on a free port.

    with RunningServer(tmp_path / "data", "--demo") as server:
        async with syncline.connect(server.url, token=server.token("alice")) as client: ...

Most tests should use the fixtures `server` and `fresh_server` of `tests/conftest.py` instead.

The process is forked, see `support.forking`. A test whose subject is the process itself uses the
fixture `installed_command`.
"""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import ClassVar, Protocol, Self

from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import Credentials, load_credentials

from .forking import ForkedProcess, Start, fork_command
from .limits import WAIT_LIMIT

__all__ = [
    "IMPATIENT",
    "START_TIMEOUT",
    "SYNCLINE",
    "RunningServer",
    "StartServer",
    "StartSharedServer",
    "await_listening",
    "clean_environ",
    "refused_start",
    "run_serve",
]

SYNCLINE = Path(sys.executable).with_name("syncline")
"""The installed command."""

START_TIMEOUT = WAIT_LIMIT
"""Seconds in which a server must be ready after its start, or ended after SIGTERM."""

_READY = re.compile(r"Syncline \S+ is ready at (?P<url>https?://\S+:(?P<port>\d+))\n")

PATIENT = {"SYNCLINE_REDIS_TIMEOUT": "30"}
"""Other tests keep the disk busy, and Redis may not answer meanwhile. A test that keeps Redis from
answering starts its server with `IMPATIENT`."""

IMPATIENT = "--redis-timeout=2"
"""What `syncline serve` does by default."""


class RunningServer:
    """A server that runs from construction until `stop` or `kill`; `restart` starts it again.

    Starting and stopping block; a test whose event loop must keep running calls them through
    `asyncio.to_thread`.

    Attributes:
        data_dir: data directory, made at the first start; `log` is beside it.
        environ: `SYNCLINE_…` variables of the server; it does not inherit those of the test run.
        is_installed: True starts the installed command instead of a forked process.
        process: the newest process.
        ready_line: the line on stdout with which the server reported that it is ready.
        url: base URL in the ready line, without a slash at its end.
        port: port in `url`; `restart` keeps it.
    """

    is_installed: ClassVar[bool] = False
    process: ForkedProcess | subprocess.Popen[bytes]

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        environ: Mapping[str, str] | None = None,
        open_files: int | None = None,
    ) -> None:
        """Start the server and wait until it is ready.

        Args:
            data_dir: data directory; may be that of a server that has ended.
            options: options of `syncline serve`, without `--data-dir`; without `--port` a free
                port is used.
            environ: `SYNCLINE_…` variables.
            open_files: limit of open files of its processes; None keeps the limit of this process.

        Raises:
            RuntimeError: the server ended or was not ready in time; the text contains its log.
        """
        self.data_dir = data_dir
        self.environ = dict(environ or {})
        self._options = options
        self._open_files = open_files
        self._start("--port=0", *options)
        self.await_ready()

    @classmethod
    def waiting(
        cls, data_dir: Path, *options: str, environ: Mapping[str, str] | None = None
    ) -> Self:
        """Start a server without waiting until it is ready; the caller calls `await_ready`.

        `url` already contains the port on which the server will listen.
        """
        self = cls.__new__(cls)
        self.data_dir, self.environ, self._options = data_dir, dict(environ or {}), options
        self._open_files = None
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._start(*options, f"--port={self.port}")
        return self

    @property
    def log(self) -> Path:
        """File with the stderr of all processes of the server."""
        return self.data_dir.with_name(f"{self.data_dir.name}.log")

    @property
    def credentials(self) -> Credentials:
        """The credentials of the account, with its API keys."""
        return load_credentials(self.data_dir, self.environ)

    @property
    def account_environ(self) -> dict[str, str]:
        """Variables for another server on the same Redis, which must have the same account."""
        known = self.credentials
        sid, secret = next(iter(known.api_keys.items()))
        return {
            "SYNCLINE_ACCOUNT_SID": known.account_sid,
            "SYNCLINE_AUTH_TOKEN": known.auth_token,
            "SYNCLINE_API_KEY_SID": sid,
            "SYNCLINE_API_KEY_SECRET": secret,
        }

    @property
    def basic(self) -> tuple[str, str]:
        """Basic login of the account: user and password."""
        known = self.credentials
        return known.account_sid, known.auth_token

    def token(self, identity: str = "alice", ttl: int = 3600, service: str = "default") -> str:
        """Make an access token for this server; `ttl` in seconds."""
        return mint_token(self.credentials, identity, ttl, service=service)

    def kill(self) -> None:
        """End the server at once (SIGKILL); its workers and Redis end with it."""
        self.process.kill()
        self._wait()

    def stop(self) -> int:
        """End the server gracefully (SIGTERM); do nothing if it has ended.

        Returns:
            exit status of the server.
        """
        self.process.terminate()
        return self._wait()

    def restart(self, *, is_ready: bool = True) -> None:
        """Start the server again with the same port and data directory; stop it first if it runs.

        `is_ready`: False returns once it accepts connections, even if it is not ready.
        """
        self.stop()
        # If an option is given twice, the last one counts.
        self._start(*self._options, f"--port={self.port}")
        if is_ready:
            self.await_ready()
        else:
            self.await_accepting()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Nobody reads its data after this, and a graceful end takes as long as a start.
        self.kill()

    def _start(self, *options: str) -> None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = _launch(
                Start(
                    arguments=["serve", f"--data-dir={self.data_dir}", *options],
                    environ=clean_environ(PATIENT | self.environ),
                    stderr=log.fileno(),
                    open_files=self._open_files,
                )
            )

    def await_accepting(self) -> None:
        """Return when the server accepts connections, even if it is not ready."""
        try:
            await_listening(self.port)
        except TimeoutError:
            raise AssertionError(self.log.read_text()) from None

    def await_ready(self) -> None:
        """Return when the server has printed its ready line; set `url` and `port` from it."""
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_TIMEOUT)
        self.ready_line = self.process.stdout.readline().decode() if readable else ""
        ready = _READY.fullmatch(self.ready_line)
        if ready is None:
            self.kill()
            raise RuntimeError(f"no ready line but {self.ready_line!r}; {self.log.read_text()}")
        self.url = ready["url"]
        self.port = int(ready["port"])

    def _wait(self) -> int:
        assert self.process.stdout is not None
        try:
            return self.process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()


def await_listening(port: int) -> None:
    """Return when a program on this machine accepts connections; `TimeoutError` if it does not."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


def _launch(start: Start) -> ForkedProcess | subprocess.Popen[bytes]:
    # Python and the loader read these variables only when a program starts.
    read_early = {name for name in start.environ if name.startswith(("PYTHON", "LD_", "DYLD_"))}
    is_forked = not RunningServer.is_installed and all(
        start.environ[name] == os.environ.get(name) for name in read_early
    )
    return (fork_command if is_forked else _start_installed)(start)


def _start_installed(start: Start) -> subprocess.Popen[bytes]:
    limit = start.open_files
    wrapper = [] if limit is None else ["sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"']
    return subprocess.Popen(
        [*wrapper, SYNCLINE, *start.arguments],
        env=start.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=start.stderr,
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class StartServer(Protocol):
    """Type of the fixture `fresh_server`."""

    def __call__(
        self,
        *options: str,
        environ: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
        open_files: int | None = None,
    ) -> RunningServer:
        """Start a server; `data_dir` None makes a new one. The rest is as in `RunningServer`."""


StartSharedServer = Callable[..., RunningServer]
"""Type of the fixture `shared_server`: called with options of `syncline serve`."""


def refused_start(*options: str | Path, **environ: str) -> str:
    """Start a server that must end with status 2; return its one line on stderr.

    `environ`: `SYNCLINE_…` variables.
    """
    ended = run_serve(*options, environ=environ)
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


def run_serve(*options: str | Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `syncline serve`, which ends by itself; kill it if it does not."""
    arguments = ["serve", *map(str, options)]
    with TemporaryFile() as errors:
        process = _launch(
            Start(arguments=arguments, environ=clean_environ(environ), stderr=errors.fileno())
        )
        assert process.stdout is not None
        with process.stdout:
            try:
                process.wait(START_TIMEOUT)
            finally:
                process.kill()
                status = process.wait()
            output = process.stdout.read().decode()
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, status, output, errors.read().decode())


def clean_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of this test run, whose `SYNCLINE_…` variables are replaced by `environ`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYNCLINE_")}
    return kept | dict(environ)
