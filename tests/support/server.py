"""A real server for a test: `syncline serve` as a child process, on a port of its own.

    with RunningServer(tmp_path / "data", "--demo") as server:
        async with syncline.connect(server.url, token=server.token("alice")) as client: ...

Most tests want the fixtures `server` and `fresh_server` of `tests/conftest.py` instead.
"""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import Credentials, load_credentials

__all__ = [
    "START_TIMEOUT",
    "SYNCLINE",
    "RunningServer",
    "StartServer",
    "clean_environ",
    "refused_start",
]

SYNCLINE = Path(sys.executable).with_name("syncline")
"""The command, as it is installed."""

START_TIMEOUT = 30
"""Seconds until a server must be ready, and until one that was told to stop must have ended."""

_READY = re.compile(r"Syncline \S+ is ready at (?P<url>https?://\S+:(?P<port>\d+))\n")


class RunningServer:
    """A server from construction until `stop` or `kill`; started again by `restart`.

    Starting and stopping block; a test whose event loop has to go on meanwhile calls them through
    `asyncio.to_thread`.

    Attributes:
        data_dir: its data directory, made at the first start. `log` lies beside it.
        environ: its `SYNCLINE_…` variables; those of the test run are kept from it.
        process: the newest child.
        ready_line: what it said when it began to accept connections.
        url: the base URL that the ready line names, without a slash at its end.
        port: the one that `url` names; kept by `restart`.
    """

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        environ: Mapping[str, str] | None = None,
        open_files: int | None = None,
    ) -> None:
        """Start it.

        Args:
            data_dir: may be that of a server that has ended.
            options: of `syncline serve`, besides `--data-dir`; without `--port` a free port is
                taken.
            environ: `SYNCLINE_…` variables.
            open_files: how many its processes may have open; None for as many as this one.

        Raises:
            RuntimeError: it ended, or was not ready in time; the text holds its log.
        """
        self.data_dir = data_dir
        self.environ = dict(environ or {})
        self._options = options
        self._open_files = open_files
        self._start("--port=0", *options)
        self.await_ready()

    @classmethod
    def waiting(cls, data_dir: Path, *options: str) -> Self:
        """One that may not be ready for a while: `await_ready` is for the caller to call.

        Meanwhile `url` names the port that it will have.
        """
        self = cls.__new__(cls)
        self.data_dir, self.environ, self._options = data_dir, {}, options
        self._open_files = None
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._start(*options, f"--port={self.port}")
        return self

    @property
    def log(self) -> Path:
        """All that its processes wrote to stderr."""
        return self.data_dir.with_name(f"{self.data_dir.name}.log")

    @property
    def credentials(self) -> Credentials:
        """The account and its API keys."""
        return load_credentials(self.data_dir, self.environ)

    @property
    def basic(self) -> tuple[str, str]:
        """User and password of the account."""
        known = self.credentials
        return known.account_sid, known.auth_token

    def token(self, identity: str = "alice", ttl: int = 3600, service: str = "default") -> str:
        """An access token that this server takes; `ttl` in seconds."""
        return mint_token(self.credentials, identity, ttl, service)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self.process.kill()
        self._wait()

    def stop(self) -> int:
        """Let it end in order (SIGTERM); nothing happens if it has ended.

        Returns:
            its exit status.
        """
        self.process.terminate()
        return self._wait()

    def restart(self) -> None:
        """Start it again on the same port and data directory; in order if it still runs."""
        self.stop()
        # The last of an option that is given twice is the one that counts.
        self._start(*self._options, f"--port={self.port}")
        self.await_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, *options: str) -> None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._wrapper(), SYNCLINE, "serve", f"--data-dir={self.data_dir}", *options],
                env=clean_environ(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def _wrapper(self) -> list[str]:
        limit = self._open_files
        return [] if limit is None else ["sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"']

    def await_ready(self) -> None:
        """Return once it has said that it is ready."""
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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class StartServer(Protocol):
    """What the fixture `fresh_server` gives."""

    def __call__(
        self,
        *options: str,
        environ: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
        open_files: int | None = None,
    ) -> RunningServer:
        """Start a server; `data_dir` None makes a new one. The rest as in `RunningServer`."""


def refused_start(*options: str | Path, **environ: str) -> str:
    """The only line of a start that ends with status 2; `environ` are `SYNCLINE_…` variables."""
    ended = subprocess.run(
        [SYNCLINE, "serve", *options],
        env=clean_environ(environ),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


def clean_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of this test run, with no `SYNCLINE_…` variables but those in `environ`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYNCLINE_")}
    return kept | dict(environ)
