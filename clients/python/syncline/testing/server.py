"""A real server for tests: a process of its own, with an embedded Redis, on a free port."""

from __future__ import annotations

import os
import re
import secrets
import select
import shlex
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from .clock import ServerClock
from .command import ServerMissing, find_command
from .service import LocalService

__all__ = ["LocalServer"]

START_TIMEOUT = 60.0
"""Seconds in which the server must be ready: far more than it needs on a busy machine."""

STOP_TIMEOUT = 20.0
"""Seconds in which it must end after SIGTERM; then it is killed."""

_OPTIONS = (
    "--port=0",
    "--test-clock",
    # The server and its tests have the same clock.
    "--token-leeway=0",
    # If this process is killed, the server sees the end of the pipe.
    "--until-stdin-ends",
    # The data end with the server.
    "--appendfsync=no",
    "--drain-timeout=2",
)
_READY = re.compile(rb"^Syncline \S+ is ready at (http://\S+)$", re.MULTILINE)


class LocalServer:
    """A server that runs from construction until `stop`, also as a context manager.

    Attributes:
        url: base URL, without a slash at its end.
        account_sid: user name of the account's Basic login.
        auth_token: password of that login; it also signs webhooks.
        api_key_sid: SID of the API key that signs access tokens.
        api_key_secret: secret of that key.
        clock: its time, which tests move.
        log: file with what the server logs.
    """

    def __init__(
        self, directory: Path | None = None, options: Sequence[str] = (), *, command: str = ""
    ) -> None:
        """Start the server and wait until it is ready.

        Args:
            directory: for its data and log; None for a temporary one, removed by `stop`.
            options: more options of `syncline serve`.
            command: program that is started; empty for that of `find_command`.

        Raises:
            ServerMissing: there is no server on this machine.
            RuntimeError: the server ended or was not ready in time; the text has its log.
        """
        program = [command] if command else find_command()
        self._temporary = tempfile.TemporaryDirectory(prefix="syncline-test-")
        self._directory = directory or Path(self._temporary.name)
        self.account_sid = f"AC{secrets.token_hex(16)}"
        self.auth_token = secrets.token_hex(16)
        self.api_key_sid = f"SK{secrets.token_hex(16)}"
        self.api_key_secret = secrets.token_urlsafe(32).replace("-", "x").replace("_", "y")
        self.log = self._directory / "syncline.log"
        arguments = [*program, "serve", *_OPTIONS, f"--data-dir={self._directory / 'data'}"]
        with self.log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    [*arguments, *options],
                    env=self._environ(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    # Ctrl-C is for the test run, which stops the server at its end.
                    start_new_session=True,
                )
            except OSError as error:
                self._temporary.cleanup()
                raise ServerMissing(
                    f"`{shlex.join(program)} serve` cannot be run: {error.strerror}"
                ) from None
        try:
            self.url = self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self._http = httpx2.Client(
            base_url=f"{self.url}/v1",
            auth=(self.account_sid, self.auth_token),
            timeout=START_TIMEOUT,
            trust_env=False,
        )
        self.clock = ServerClock(self.request)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def request(
        self, method: str, path: str, form: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The reply of the REST API to the account; `path` is below `/v1`.

        Raises:
            RuntimeError: the reply is an error; the text has its message.
        """
        reply = self._http.request(method, path, data=form)
        body: dict[str, Any] = reply.json() if reply.content else {}
        if reply.is_error:
            raise RuntimeError(f"{method} {path}: {reply.status_code} {body.get('message', '')}")
        return body

    def create_service(self, settings: Mapping[str, Any] | None = None) -> LocalService:
        """A new, empty service; `settings` as the REST API names them."""
        form = {"FriendlyName": "test", **(settings or {})}
        return LocalService(self, self.request("POST", "/Services", form)["sid"])

    def stop(self) -> None:
        """Stop the server and remove its temporary directory; do nothing if it has stopped."""
        if hasattr(self, "_http"):
            self._http.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._temporary.cleanup()

    def _environ(self) -> dict[str, str]:
        """Settings of the developer's own server must not reach this one."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("SYNCLINE_")}
        return {
            **own,
            "SYNCLINE_ACCOUNT_SID": self.account_sid,
            "SYNCLINE_AUTH_TOKEN": self.auth_token,
            "SYNCLINE_API_KEY_SID": self.api_key_sid,
            "SYNCLINE_API_KEY_SECRET": self.api_key_secret,
        }

    def _wait_until_ready(self) -> str:
        assert self._process.stdout is not None
        deadline, printed = time.monotonic() + START_TIMEOUT, b""
        while not (ready := _READY.search(printed)):
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise RuntimeError(self._describe(f"was not ready within {START_TIMEOUT:g} s"))
            received = os.read(self._process.stdout.fileno(), 4096)
            if not received:
                raise RuntimeError(self._describe(f"ended with {self._process.wait()}"))
            printed += received
        return ready[1].decode()

    def _describe(self, fate: str) -> str:
        return f"the Syncline server {fate}:\n{self.log.read_text(errors='replace')}"
